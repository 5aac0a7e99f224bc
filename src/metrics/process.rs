//! Metrics of the process itself, under the names that every Prometheus client library uses. They come from `/proc`.

use std::fs;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Registries;
use super::definitions as define;

/// Ticks of `/proc/self/stat` in a second: a constant of Linux's interface to programs.
const TICKS: f64 = 100.0;

/// Metrics of the process.
#[derive(Debug, Default)]
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    open: Gauge,
    max: Gauge,
    start: Gauge<f64, AtomicU64>,
}

impl Process {
    pub(super) fn register(&self, registries: &mut Registries) {
        registries.add(&define::PROCESS_CPU, self.cpu.clone());
        registries.add(&define::PROCESS_RESIDENT, self.resident.clone());
        registries.add(&define::PROCESS_VIRTUAL, self.virtual_memory.clone());
        registries.add(&define::PROCESS_OPEN_FDS, self.open.clone());
        registries.add(&define::PROCESS_MAX_FDS, self.max.clone());
        registries.add(&define::PROCESS_START, self.start.clone());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.start.set(since.as_secs_f64());
    }

    /// Looks at the process. What cannot be read stays as it was.
    pub(super) fn look(&self) {
        let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        if let Some(seconds) = cpu(&read("stat")) {
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
        let status = read("status");
        for (gauge, field) in [(&self.resident, "VmRSS:"), (&self.virtual_memory, "VmSize:")] {
            if let Some(kilobytes) = number(&status, field) {
                gauge.set(kilobytes.saturating_mul(1024));
            }
        }
        if let Some(most) = number(&read("limits"), "Max open files") {
            self.max.set(most);
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory itself.
            let open = descriptors.count().saturating_sub(1);
            self.open.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }
}

/// Seconds of processor time. The name of the program, in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS)
}

/// The first number behind a word that begins a line.
fn number(text: &str, word: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name_of_the_program() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 300 1 1";
        assert_eq!(cpu(stat), Some(2.0));
        assert_eq!(cpu("7 (a"), None);
    }

    #[test]
    fn numbers_of_the_status_and_of_the_limits_are_found() {
        assert_eq!(number("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048));
        let limits = "Max open files            1024                 4096                 files";
        assert_eq!(number(limits, "Max open files"), Some(1024));
        assert_eq!(number("Max open files  unlimited", "Max open files"), None);
    }

    #[test]
    fn a_process_has_memory_files_and_processor_time() {
        let process = Process::default();
        process.look();
        let before = process.cpu.get();
        process.look();
        assert!(process.cpu.get() >= before, "a counter never falls");
        for gauge in [&process.resident, &process.virtual_memory, &process.open, &process.max] {
            assert!(gauge.get() > 0);
        }
        assert!(process.open.get() < process.max.get());
    }
}
