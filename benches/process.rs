//! What the kernel knows of a process.

use std::time::Duration;

/// Ticks in a second, in /proc, on every architecture that is built.
const TICKS: f64 = 100.0;

/// The most resident memory that it ever had.
pub(crate) fn peak_memory_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

/// The processor time that it has used, in user and in system mode.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field, the name, is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let field = |n: usize| fields.split(' ').nth(n - 3).unwrap().parse::<f64>().unwrap();
    Duration::from_secs_f64((field(14) + field(15)) / TICKS)
}
