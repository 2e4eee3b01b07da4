"""The end-to-end tests' own library: TAP, a gateway in a temporary directory, a raw HTTP client, strict fake providers."""
