//! Figures in the text of `/proc/PID/status`, see proc_pid_status(5).

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

fn number(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_key() {
        let status = "Name:\tweir\nVmHWM:\t   9000 kB\nVmRSS:\t    1234 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(ByteSize::from_bytes(1234 * 1024)));
        assert_eq!(threads(status), Some(3));
        assert_eq!(resident("Name:\tkthread\n"), None);
        assert_eq!(resident("VmRSS:\tmany kB\n"), None);
    }
}
