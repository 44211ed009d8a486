//! Processor time and memory of this process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Linux reports the peak in KiB.
const KIB: u64 = 1_024;

/// User and kernel time of this process so far.
pub fn processor_time() -> Option<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// The peak memory of this process, in bytes; `None` where `/proc` does not report it.
pub fn peak_memory() -> Option<u64> {
    high_water(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM:     31544 kB` of `/proc/self/status`, in bytes.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_known_and_memory_where_the_system_has_proc() {
        assert!(processor_time().is_some_and(|time| !time.is_zero()));
        let is_known = peak_memory().is_some_and(|peak| peak > 1_000_000);
        assert_eq!(is_known, std::path::Path::new("/proc/self/status").exists());
    }

    #[test]
    fn the_high_water_mark_is_found() {
        let status = "VmPeak:\t  10 kB\nVmHWM:\t   31544 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(high_water(status), Some(31_544 * 1_024));
        assert_eq!(high_water("Name: rydes\n"), None);
    }
}
