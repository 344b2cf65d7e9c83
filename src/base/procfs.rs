//! Figures in the texts of `/proc/PID/status` and `/proc/PID/stat`, see proc_pid_status(5) and
//! proc_pid_stat(5).

use std::time::Duration;

use super::units::ByteSize;

/// Memory of the process that is in RAM; a zombie and a kernel thread have none.
pub fn resident(status: &str) -> Option<ByteSize> {
    // In kB, which are 1024 bytes whatever the page size.
    number(status, "VmRSS:").map(|kib| ByteSize::from_bytes(kib.saturating_mul(1024)))
}

/// Threads of the process.
pub fn threads(status: &str) -> Option<u64> {
    number(status, "Threads:")
}

/// CPU time of the process, in user mode and in the kernel, from the text of `/proc/PID/stat`.
pub fn cpu_time(stat: &str) -> Option<Duration> {
    // The second field is the program's name in brackets, which may have any characters in it. Of the
    // fields after it, the 12th is `utime` and the 13th `stime`, in ticks of the clock.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, kernel): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let ms = user.checked_add(kernel)?.checked_mul(1000)?;
    Some(Duration::from_millis(ms.checked_div(ticks_per_second)?))
}

fn number(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_that_of_the_program_and_of_the_kernel() {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat = format!(
            "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 {} {ticks} 9 9 20",
            2 * ticks
        );
        assert_eq!(cpu_time(&stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time("7 (weir) S 1 2 3"), None);
        assert_eq!(cpu_time(""), None);
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert!(cpu_time(&own).is_some());
    }

    #[test]
    fn figures_are_found_by_their_key() {
        let status = "Name:\tweir\nVmHWM:\t   9000 kB\nVmRSS:\t    1234 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(ByteSize::from_bytes(1234 * 1024)));
        assert_eq!(threads(status), Some(3));
        assert_eq!(resident("Name:\tkthread\n"), None);
        assert_eq!(resident("VmRSS:\tmany kB\n"), None);
    }
}
