//go:build tools

// Package h2spec pins h2spec and all that it needs in go.sum, at versions that Debian 12's Go can build; tools/setup builds it.
package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"
