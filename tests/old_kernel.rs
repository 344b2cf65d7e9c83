//! A kernel before Linux 6.4, as Debian 12 has it, tells a process of its auxiliary vector only in
//! `/proc/self/auxv`; and only root may read that of a process that is not dumpable, as weir is. This
//! file is a process of its own, because what was read once is kept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::Eq;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter,
};
use weir::base::procfs::cpu_time;

/// prctl(2), since Linux 6.4.
const PR_GET_AUXV: u64 = 0x4155_5856;

#[test]
fn cpu_time_is_counted_where_the_kernel_tells_no_clock_ticks() {
    // As such a kernel answers: it lacks the call, and refuses the file.
    apply(
        libc::SYS_prctl,
        vec![first_argument(PR_GET_AUXV)],
        libc::EINVAL,
    );
    apply(libc::SYS_openat, Vec::new(), libc::EACCES);
    #[cfg(target_arch = "x86_64")]
    apply(libc::SYS_open, Vec::new(), libc::EACCES);
    let refused = std::fs::File::open("/proc/self/auxv");
    assert!(refused.is_err());
    let stat = "7 (weir) S 1 2 3 4 5 6 7 8 9 10 0 0 9 9 20";
    assert_eq!(cpu_time(stat), Some(Duration::ZERO));
}

fn first_argument(value: u64) -> SeccompRule {
    SeccompRule::new(vec![SeccompCondition::new(0, Dword, Eq, value).unwrap()]).unwrap()
}

/// Makes a call fail in this thread, always or where a rule holds.
fn apply(call: libc::c_long, rules: Vec<SeccompRule>, errno: libc::c_int) {
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, rules)]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.cast_unsigned()),
        TargetArch::try_from(std::env::consts::ARCH).unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}
