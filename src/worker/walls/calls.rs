//! The walls before programs, other processes, the kernel and the network: seccomp(2).
//!
//! A refused call fails with an error, as if the kernel lacked it, so that a library which tries it
//! goes on without.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{MaskedEq, Ne};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter_all_threads,
};

use super::gaps::UnixSockets;

/// Calls that no worker needs.
const REFUSED: &[c_long] = &[
    // Programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_perf_event_open,
    // Namespaces and mounts.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Rare parts of the kernel, where its faults have been.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_personality,
    libc::SYS_quotactl,
    // Administration.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // What Landlock does not know, or not in every version: owners, modes, attributes and times of
    // files, and truncating a file by its path.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    libc::SYS_truncate,
];

/// Calls of a process that others connect to.
const SERVING: [c_long; 4] = [
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// Older forms of the same calls, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_modify_ldt,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[c_long] = &[];

/// Calls that seem not to exist, so that libraries use an older call instead. The arguments of
/// `clone3` lie in memory, where a filter cannot read them; glibc then uses `clone`. A ring of
/// io_uring opens files and sockets without a call that a filter would see.
const ABSENT: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// The low bits of a socket's type; the others are flags (socket(2)).
const SOCKET_TYPE: u64 = 0xf;
/// Kinds of internet sockets that are neither streams nor datagrams.
const RARE_SOCKETS: [c_int; 3] = [libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_DCCP];

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Closes programs, other processes, rare parts of the kernel, and all sockets but outgoing ones
/// of TCP and UDP, and a driver's.
///
/// # Errors
/// Why not.
pub fn close(sockets: UnixSockets) -> Result<(), String> {
    let absent = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    apply(absent, libc::ENOSYS)
        .and_then(|()| apply(refused(sockets)?, libc::EPERM))
        .map_err(|error| error.to_string())
}

/// Closes all sockets but a driver's, those of TCP and UDP too. Sockets that are open stay: a worker
/// has one, to its daemon.
///
/// # Errors
/// Why not.
pub fn close_network(sockets: UnixSockets) -> Result<(), String> {
    let network = || -> Result<Rules, seccompiler::Error> {
        let others = match sockets {
            UnixSockets::Open => vec![when(&[(0, Ne, number(libc::AF_UNIX))])?],
            UnixSockets::Closed => Vec::new(),
        };
        Ok(Rules::from([
            (libc::SYS_socket, others),
            (libc::SYS_connect, Vec::new()),
        ]))
    };
    let closed = network().and_then(|rules| apply(rules, libc::EPERM));
    closed.map_err(|error| error.to_string())
}

fn refused(sockets: UnixSockets) -> Result<Rules, seccompiler::Error> {
    let plain = REFUSED.iter().chain(REFUSED_OLD);
    let mut rules: Rules = plain.map(|call| (*call, Vec::new())).collect();
    let this = u64::from(std::process::id());
    // Threads may be made, processes not.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let another_process = when(&[(0, MaskedEq(thread), 0)])?;
    rules.insert(libc::SYS_clone, vec![another_process]);
    // Signals reach only this process, and limits concern only this one.
    rules.insert(libc::SYS_kill, vec![when(&[(0, Ne, this)])?]);
    rules.insert(libc::SYS_tgkill, vec![when(&[(0, Ne, this)])?]);
    let of_another = when(&[(0, Ne, 0), (0, Ne, this)])?;
    rules.insert(libc::SYS_prlimit64, vec![of_another]);
    let [inet, inet6, unix] = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX].map(number);
    let mut families = vec![(0, Ne, inet), (0, Ne, inet6)];
    match sockets {
        UnixSockets::Open => families.push((0, Ne, unix)),
        UnixSockets::Closed => rules.extend(SERVING.map(|call| (call, Vec::new()))),
    }
    let mut refused = vec![when(&families)?];
    for rare in RARE_SOCKETS {
        refused.push(when(&[(1, MaskedEq(SOCKET_TYPE), number(rare))])?);
    }
    rules.insert(libc::SYS_socket, refused);
    rules.insert(libc::SYS_socketpair, vec![when(&[(0, Ne, unix)])?]);
    Ok(rules)
}

/// A rule that holds when all `conditions` do: argument, comparison, value.
fn when(
    conditions: &[(u8, seccompiler::SeccompCmpOp, u64)],
) -> Result<SeccompRule, seccompiler::Error> {
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .map(|(argument, compare, value)| {
            SeccompCondition::new(*argument, Dword, compare.clone(), *value)
        })
        .collect();
    Ok(SeccompRule::new(conditions?)?)
}

fn number(constant: c_int) -> u64 {
    u64::from(constant.cast_unsigned())
}

/// Makes all threads fail with `errno` where a rule holds.
fn apply(rules: Rules, errno: c_int) -> Result<(), seccompiler::Error> {
    let filter = SeccompFilter::new(
        with_x32(rules),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.cast_unsigned()),
        architecture()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter_all_threads(&program)
}

/// Adds each call's number in the x32 ABI, which a kernel for x86-64 may also have: the same number
/// with one bit set (`__X32_SYSCALL_BIT`).
fn with_x32(mut rules: Rules) -> Rules {
    const X32: c_long = 0x4000_0000;
    if cfg!(target_arch = "x86_64") {
        let x32: Rules = rules
            .iter()
            .map(|(call, of)| (call | X32, of.clone()))
            .collect();
        rules.extend(x32);
    }
    rules
}

fn architecture() -> Result<TargetArch, seccompiler::Error> {
    Ok(TargetArch::try_from(std::env::consts::ARCH)?)
}
