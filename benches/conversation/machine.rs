//! What a figure needs beside it: the machine, the kernel, the clocks.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use nix::unistd::{SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

/// The first field of this name in /proc/cpuinfo.
fn cpuinfo(name: &str) -> String {
    let text = file("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("", |(_, value)| value.trim()).to_string()
}

#[derive(Default, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
    pub allowed_cpus: Vec<usize>,
    pub kernel: String,
    pub rustc: String,
    /// The load average of the last minute.
    pub load: String,
    /// The CPUs that share a core with the first one. Together they may be as fast as one.
    pub siblings_of_the_first: String,
}

impl Machine {
    pub fn look(cpus: &[usize]) -> Machine {
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
        let load = file("/proc/loadavg");
        let topology = format!("/sys/devices/system/cpu/cpu{}/topology", cpus[0]);
        Machine {
            cpu: cpuinfo("model name"),
            is_virtual: cpuinfo("flags").split(' ').any(|flag| flag == "hypervisor"),
            kernel: file("/proc/sys/kernel/osrelease"),
            rustc: rustc.unwrap_or("rustc unknown".to_string()),
            load: load.split(' ').next().unwrap_or_default().to_string(),
            siblings_of_the_first: file(&format!("{topology}/thread_siblings_list")),
            allowed_cpus: cpus.to_vec(),
        }
    }

    pub fn describe(&self) -> String {
        let list: Vec<String> = self.allowed_cpus.iter().map(usize::to_string).collect();
        let distance = distance(&self.allowed_cpus).map(|ns| format!(", {ns:.0} ns apart"));
        format!(
            "{}{}, Linux {}, {}\n\
             CPUs {}{}; on the core of the first: {}\n\
             load {}",
            self.cpu,
            if self.is_virtual { " (virtual)" } else { "" },
            self.kernel,
            self.rustc,
            list.join(", "),
            distance.unwrap_or_default(),
            self.siblings_of_the_first,
            self.load
        )
    }

    /// What stands below a chart.
    pub fn footer(&self, date: &str) -> [String; 2] {
        let kind = if self.is_virtual { " (virtual)" } else { "" };
        let day = date.split('T').next().unwrap_or_default();
        [format!("{}{kind}", self.cpu), format!("Linux {}, {day}", self.kernel)]
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

/// How far apart the first two CPUs are: the nanoseconds that a cache line takes there and back. None
/// of a single CPU. The least of many samples, so that no other program is counted.
pub fn distance(cpus: &[usize]) -> Option<f64> {
    const SAMPLES: u32 = 30;
    const EACH: u32 = 50;
    let [first, second, ..] = *cpus else { return None };
    let line = AtomicU32::new(0);
    // Waits for every second number, and writes the next one.
    let take_turns = |cpu: usize, first: u32| {
        contenders::run_on(&[cpu]);
        let sample = |number: u32| {
            let start = Instant::now();
            for number in (number..).step_by(2).take(EACH as usize) {
                while line.load(Ordering::Acquire) != number {
                    std::hint::spin_loop();
                }
                line.store(number + 1, Ordering::Release);
            }
            start.elapsed().as_nanos() as f64 / f64::from(EACH)
        };
        (0..SAMPLES).map(|i| sample(first + 2 * EACH * i)).fold(f64::MAX, f64::min)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| take_turns(second, 1));
        scope.spawn(|| take_turns(first, 0)).join().ok()
    })
}

/// How long these CPUs have been busy or, in a virtual machine, not to be had: proc_stat(5). The
/// kernel counts in ticks.
pub fn busy_seconds(cpus: &[usize]) -> f64 {
    const IDLE: [usize; 2] = [3, 4]; // idle, iowait
    const GUEST: usize = 8; // is part of user
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let text = file("/proc/stat");
    let of_line = |line: &str| {
        let (name, numbers) = line.split_once(' ')?;
        let cpu: usize = name.strip_prefix("cpu")?.parse().ok()?;
        let numbers = numbers.split(' ').enumerate().take(GUEST);
        let busy = numbers.filter(|(column, _)| !IDLE.contains(column));
        let busy = busy.filter_map(|(_, number)| number.parse::<u64>().ok()).sum::<u64>();
        cpus.contains(&cpu).then_some(busy)
    };
    text.lines().filter_map(of_line).sum::<u64>() as f64 / ticks_per_second as f64
}
