//! What a process costs, by `/proc` (Linux, proc(5)).

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads since it started.
    pub cpu: Duration,
    /// Resident memory in bytes (`VmRSS`).
    pub rss: u64,
}

impl Usage {
    /// Reads the usage of process `pid`.
    ///
    /// # Errors
    ///
    /// When there is no such process, or no `/proc`.
    pub fn of(pid: u32) -> anyhow::Result<Usage> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        Ok(Usage {
            cpu: parse_stat(&read("stat")?).context("/proc/PID/stat has another format")?,
            rss: parse_rss(&read("status")?).context("/proc/PID/status has no VmRSS")?,
        })
    }
}

/// Clock ticks a second as `/proc` counts them: `USER_HZ`, 100 on every Linux
/// port that Rust supports in user space.
const USER_HZ: u64 = 100;

/// `utime` + `stime`, fields 14 and 15. The name in field 2 may hold spaces
/// and parentheses.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let utime: u64 = fields.next()?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((utime + stime) * 1_000 / USER_HZ))
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_process_names_do_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 150 3 4 20 0 5 0 99";
        assert_eq!(parse_stat(stat), Some(Duration::from_secs(4)));
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn this_process_has_memory() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss > 1_000_000);
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn rss_is_in_bytes() {
        assert_eq!(parse_rss("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12_288));
    }
}
