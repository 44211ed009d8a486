//! What the process itself has used: processor time and memory.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// Bytes of a unit in which the peak is told.
const KIB: u64 = 1_024;

/// The time that the process has spent on processors so far, in and for itself; `None` where the
/// system does not tell.
pub fn processor_time() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}

/// The most memory that the process has held at once, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    // What getrusage tells includes what the process was before it became this program.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        return high_water(&status);
    }
    let peak = u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()?;
    // In bytes on Apple's systems, in KiB elsewhere.
    Some(if cfg!(target_vendor = "apple") { peak } else { peak * KIB })
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
    fn both_are_told() {
        assert!(processor_time().is_some_and(|time| !time.is_zero()));
        assert!(peak_memory().is_some_and(|peak| peak > 1_000_000));
    }

    #[test]
    fn the_high_water_mark_is_found() {
        let status = "VmPeak:\t  10 kB\nVmHWM:\t   31544 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(high_water(status), Some(31_544 * 1_024));
        assert_eq!(high_water("Name: rydes\n"), None);
    }
}
