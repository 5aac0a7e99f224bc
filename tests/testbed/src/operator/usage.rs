//! What the operator's process uses, as the kernel counts it.

use std::time::Duration;

use super::{Operator, OperatorError};

impl Operator {
    /// Largest resident memory so far, in bytes (`VmHWM`).
    pub fn memory_peak(&self) -> Result<u64, OperatorError> {
        memory(self.pid(), "VmHWM:")
    }

    /// Resident memory now, in bytes (`VmRSS`).
    pub fn memory(&self) -> Result<u64, OperatorError> {
        memory(self.pid(), "VmRSS:")
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> Result<usize, OperatorError> {
        let pid = self.pid();
        let missing = |_| OperatorError::Usage { pid, file: "fd" };
        Ok(std::fs::read_dir(format!("/proc/{pid}/fd")).map_err(missing)?.count())
    }

    /// CPU time so far, in user and kernel mode together.
    pub fn cpu_time(&self) -> Result<Duration, OperatorError> {
        cpu_time(self.pid())
    }
}

fn memory(pid: u32, figure: &str) -> Result<u64, OperatorError> {
    let missing = || OperatorError::Usage { pid, file: "status" };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| missing())?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(figure))
        .ok_or_else(missing)?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| missing())?;
    Ok(kibibytes * 1024)
}

/// Processor time that a process has used.
///
/// # Errors
/// There is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration, OperatorError> {
    let missing = || OperatorError::Usage { pid, file: "stat" };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| missing())?;
    // The program's name may hold spaces; after its ')' come the state and then the numbers of proc(5), from the 4th on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .ok_or_else(missing)
    };
    let total = ticks(11)? + ticks(12)?;
    Ok(Duration::from_millis(
        total * 1000 / rustix::param::clock_ticks_per_second(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_cpu() {
        let own = std::process::id();
        assert!(memory(own, "VmHWM:").unwrap() > 100_000);
        let before = cpu_time(own).unwrap();
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while start.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_time(own).unwrap() > before);
    }

    #[test]
    fn a_process_that_is_gone_has_no_figures() {
        assert!(memory(u32::MAX, "VmRSS:").is_err());
    }
}
