/* The gateway's cage: nothing that a stranger's bytes could make it do needs another program, another process's memory, or
 * the kernel's administration. Set once, before the first connection; threads inherit it. */
#include "priv.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>

/* The leak checker of sanitizer builds looks at its own process from a clone: these builds are for tests only. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { LEAK_CHECKER = 1 };
#else
enum { LEAK_CHECKER = 0 };
#endif

static const char *const REFUSED[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "move_mount",
    "fsopen",
    "open_tree",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "open_by_handle_at",
    "personality",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "iopl",
    "ioperm",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
    "io_uring_setup",
};

static int refuse_calls(scmp_filter_ctx c)
{
    int e = 0;
    for (unsigned i = 0; i < COUNTOF(REFUSED) && e == 0; i++) {
        if (LEAK_CHECKER && strcmp(REFUSED[i], "ptrace") == 0) continue;
        int number = seccomp_syscall_resolve_name(REFUSED[i]);
        if (number != __NR_SCMP_ERROR) e = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), number, 0);
    }
    if (LEAK_CHECKER) return e;
    /* Threads, but no processes. The arguments of clone3 cannot be looked at: "not built" sends libc to clone. */
    if (e == 0) e = seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (e == 0)
        e = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_CMP(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    return e;
}

enum err sandbox_enter(struct fault *why)
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
    if (!c) return FAIL(why, ERR_INTERNAL, "cannot make a system call filter");
    int e = refuse_calls(c);
    if (e == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) e = -errno;
    if (e == 0) e = seccomp_load(c);
    seccomp_release(c);
    if (e == 0) return OK;
    return FAIL(why, ERR_INTERNAL, "cannot enter the sandbox (seccomp): %s", strerror(-e));
}
