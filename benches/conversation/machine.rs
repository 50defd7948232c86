//! What a figure needs beside it: the machine, the kernel, the clocks.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use mq_sketch::chat::clock::ticks;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Value, json};

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

/// The first field of this name in /proc/cpuinfo.
fn cpuinfo(name: &str) -> String {
    let text = file("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("", |(_, value)| value.trim()).to_string()
}

pub struct Machine {
    pub cpu: String,
    pub is_virtual: bool,
    pub kernel: String,
    pub rustc: String,
    /// The load average of the last minute.
    pub load: String,
    /// The CPUs that share a core with the first one. Together they may be as fast as one.
    pub siblings: String,
    /// The least difference between two readings, in nanoseconds.
    pub clock_resolution: u64,
    pub counter_resolution: f64,
}

impl Machine {
    pub fn look(cpus: &[usize]) -> Machine {
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
        let load = file("/proc/loadavg");
        let topology = format!("/sys/devices/system/cpu/cpu{}/topology", cpus[0]);
        let (clock_resolution, counter_resolution) = resolutions();
        Machine {
            cpu: cpuinfo("model name"),
            is_virtual: cpuinfo("flags").split(' ').any(|flag| flag == "hypervisor"),
            kernel: file("/proc/sys/kernel/osrelease"),
            rustc: rustc.unwrap_or("rustc unknown".to_string()),
            load: load.split(' ').next().unwrap_or_default().to_string(),
            siblings: file(&format!("{topology}/thread_siblings_list")),
            clock_resolution,
            counter_resolution,
        }
    }

    pub fn describe(&self, cpus: &[usize]) -> String {
        let list: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let Machine { cpu, kernel, rustc, siblings, load, .. } = self;
        let (kind, first) = (if self.is_virtual { " (virtual)" } else { "" }, cpus[0]);
        format!(
            "{cpu}{kind}, Linux {kernel}, {rustc}\n\
             CPUs {}; on the core of CPU {first}: {siblings}\n\
             load {load}; smallest step of the clock {} ns, of the cycle counter {:.1} ns",
            list.join(", "),
            self.clock_resolution,
            self.counter_resolution
        )
    }

    /// What stands below a chart.
    pub fn footer(&self, date: &str) -> [String; 2] {
        let kind = if self.is_virtual { " (virtual)" } else { "" };
        let day = date.split('T').next().unwrap_or_default();
        [format!("{}{kind}", self.cpu), format!("Linux {}, {day}", self.kernel)]
    }

    pub fn json(&self, cpus: &[usize]) -> Value {
        json!({
            "cpu": self.cpu,
            "virtual": self.is_virtual,
            "allowed_cpus": cpus,
            "siblings_of_the_first": self.siblings,
            "kernel": self.kernel,
            "rustc": self.rustc,
            "load": self.load,
            "clock_resolution_ns": self.clock_resolution,
            "cycle_counter_resolution_ns": self.counter_resolution,
        })
    }
}

/// As long as the result is open, no CPU goes to sleep: a CPU without work keeps running. This is
/// how cyclictest(8) does it; see the kernel's Documentation/power/pm_qos_interface.rst.
pub fn keep_awake() -> Result<File, String> {
    const FILE: &str = "/dev/cpu_dma_latency";
    let latency = 0_i32; // microseconds
    let open = OpenOptions::new().write(true).open(FILE);
    let set = open.and_then(|mut file| file.write_all(&latency.to_ne_bytes()).map(|()| file));
    set.map_err(|error| format!("because {FILE}, which root may write, says: {error}"))
}

/// The CPU time of all programs and of this one with its children, from now on.
pub struct Load<'a> {
    cpus: &'a [usize],
    all: f64,
    own: f64,
}

impl Load<'_> {
    pub fn new(cpus: &[usize]) -> Load<'_> {
        Load { cpus, all: seconds_busy(cpus), own: own_seconds() }
    }

    /// What other programs have had since then. The kernel counts in ticks, so some hundredths of a
    /// second may be missing or too many.
    pub fn seconds_of_others(&self) -> f64 {
        (seconds_busy(self.cpus) - self.all) - (own_seconds() - self.own)
    }
}

/// How long these CPUs have been busy or, in a virtual machine, not to be had. 0 if the kernel
/// does not tell. See proc_stat(5).
fn seconds_busy(cpus: &[usize]) -> f64 {
    const IDLE: [usize; 2] = [3, 4]; // idle, iowait
    const GUEST: usize = 8; // is part of user
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let text = file("/proc/stat");
    let of_line = |line: &str| {
        let (name, numbers) = line.split_once(' ')?;
        let cpu: usize = name.strip_prefix("cpu")?.parse().ok()?;
        cpus.contains(&cpu).then(|| {
            let numbers = numbers.split(' ').enumerate().take(GUEST);
            let busy = numbers.filter(|(column, _)| !IDLE.contains(column));
            busy.filter_map(|(_, number)| number.parse::<u64>().ok()).sum::<u64>()
        })
    };
    text.lines().filter_map(of_line).sum::<u64>() as f64 / ticks_per_second as f64
}

/// The CPU time of this process and of the children that have ended.
fn own_seconds() -> f64 {
    let of = |who| {
        let usage = getrusage(who).expect("a known process");
        (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

/// The smallest steps seen, in nanoseconds: of the clock that the plain programs read, and of the
/// cycle counter that ours read.
fn resolutions() -> (u64, f64) {
    const READINGS: usize = 100_000;
    let clock: Vec<Instant> = (0..READINGS).map(|_| Instant::now()).collect();
    let steps = clock.windows(2).map(|two| (two[1] - two[0]).as_nanos() as u64);
    let clock_resolution = steps.filter(|step| *step > 0).min().unwrap_or(0);

    let (start, first) = (Instant::now(), ticks());
    let counter: Vec<u64> = (0..READINGS).map(|_| ticks()).collect();
    let (nanoseconds, last) = (start.elapsed().as_nanos() as f64, ticks());
    let steps = counter.windows(2).map(|two| two[1].saturating_sub(two[0]));
    let cycles = steps.filter(|step| *step > 0).min().unwrap_or(0);
    (clock_resolution, cycles as f64 * nanoseconds / (last - first) as f64)
}
