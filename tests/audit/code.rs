//! Every system call in the code of a program, whether a run makes it or not.
//!
//! A trace shows the paths that were taken. Here objdump(1) shows all code, and each instruction
//! that enters the kernel is followed backwards, over every jump that leads to it, to the numbers
//! that it can have. They must be those of the published list. That works because a freestanding
//! program has nothing but its own code: each number is a constant that is loaded just before the
//! instruction. Where it is not, the test fails.
//!
//! The instructions are read one after the other. So all bytes are searched, too: those that would
//! enter the kernel if they were an instruction, and lie inside others. Nothing in the program has
//! the address of one, so only a program that has been taken over gets there. It could as well jump
//! to a real one, with any number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use object::elf::PF_X;
use object::{Architecture, Object, ObjectSegment, SegmentFlags};

use crate::common::{ALL, assert_same_lines, leave_out, program};
use crate::published::folder;

/// What the test needs to know of a processor.
struct Processor {
    name: &'static str,
    /// The instruction that enters the kernel, and others that could.
    enter: &'static str,
    others: &'static [&'static str],
    /// The bytes of those that there may be inside other instructions, and at which addresses.
    bytes: &'static [&'static [u8]],
    alignment: u64,
    /// The names of the register that holds the number.
    register: &'static [&'static str],
    /// Instructions that change the register without naming it.
    clobber: &'static [&'static str],
    /// Instructions after which the next one is not executed.
    end: &'static [&'static str],
    /// Whether this is a jump to a constant address.
    is_jump: fn(&str) -> bool,
}

const X86_64: Processor = Processor {
    name: "x86_64",
    enter: "syscall",
    others: &["sysenter", "int"],
    bytes: &[b"\x0f\x05", b"\x0f\x34", b"\xcd\x80"],
    alignment: 1,
    register: &["%rax", "%eax", "%ax", "%al", "%ah"],
    clobber: &[
        "call", "mul", "imul", "div", "idiv", "cltq", "cwtl", "lods", "cmpxchg", "cpuid", "rdtsc",
        "rdtscp", "xgetbv", "lahf", "in", "syscall",
    ],
    end: &["jmp", "ret", "ud2", "int3", "hlt"],
    is_jump: |mnemonic| mnemonic.starts_with('j') || mnemonic.starts_with("loop"),
};

const AARCH64: Processor = Processor {
    name: "aarch64",
    enter: "svc",
    others: &["hvc", "smc"],
    bytes: &[b"\x01\x00\x00\xd4"],
    alignment: 4,
    register: &["x8", "w8"],
    clobber: &["bl", "blr"],
    end: &["b", "ret", "br", "brk", "udf"],
    is_jump: |mnemonic| {
        mnemonic == "b" || ["b.", "cb", "tb"].iter().any(|start| mnemonic.starts_with(start))
    },
};

const RISCV64: Processor = Processor {
    name: "riscv64",
    enter: "ecall",
    others: &[],
    bytes: &[b"\x73\x00\x00\x00"],
    alignment: 2,
    register: &["a7"],
    clobber: &["jal", "jalr", "call"],
    end: &["j", "ret", "jr", "tail", "ebreak", "unimp"],
    is_jump: |mnemonic| mnemonic == "j" || mnemonic.starts_with('b'),
};

struct Instruction {
    address: u64,
    mnemonic: String,
    operands: Vec<String>,
}

struct Code {
    processor: Processor,
    instructions: Vec<Instruction>,
    /// The jumps that lead to an address.
    jumps: BTreeMap<u64, Vec<usize>>,
}

impl Code {
    /// The code of a program; None if there is no objdump for its processor.
    fn read(path: &Path) -> Option<Code> {
        let bytes = fs::read(path).unwrap();
        let processor = match object::File::parse(&*bytes).unwrap().architecture() {
            Architecture::X86_64 => X86_64,
            Architecture::Aarch64 => AARCH64,
            Architecture::Riscv64 => RISCV64,
            other => panic!("{other:?}"),
        };
        let objdump = format!("{}-linux-gnu-objdump", processor.name);
        let output = Command::new(objdump).args(["-d", "--no-show-raw-insn"]).arg(path).output();
        let text = String::from_utf8(output.ok()?.stdout).unwrap();
        let code = Code::new(processor, &text);
        code.search(&bytes, &text);
        Some(code)
    }

    /// The code that objdump shows so.
    fn new(processor: Processor, text: &str) -> Code {
        let instructions: Vec<_> = text.lines().filter_map(Instruction::read).collect();
        let mut jumps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (i, instruction) in instructions.iter().enumerate() {
            // The address to which it leads, if that is a constant.
            let target = instruction.operands.last().map(|target| target.trim_start_matches("0x"));
            let target = target.and_then(|target| u64::from_str_radix(target, 16).ok());
            if let Some(target) = target.filter(|_| (processor.is_jump)(&instruction.mnemonic)) {
                jumps.entry(target).or_default().push(i);
            }
        }
        Code { processor, instructions, jumps }
    }

    /// Searches all bytes that are executable.
    fn search(&self, program: &[u8], text: &str) {
        let starts = self.instructions.iter().map(|i| (i.address, &*i.mnemonic));
        let starts: BTreeMap<_, _> = starts.collect();
        let file = object::File::parse(program).unwrap();
        let is_executable =
            |flags| matches!(flags, SegmentFlags::Elf { p_flags } if p_flags & PF_X != 0);
        let mut found = 0;
        for segment in file.segments().filter(|segment| is_executable(segment.flags())) {
            let data = segment.data().unwrap();
            for (address, i) in (segment.address()..).zip(0..data.len()) {
                let Processor { bytes, alignment, .. } = self.processor;
                if address % alignment != 0 || !bytes.iter().any(|b| data[i..].starts_with(b)) {
                    continue;
                }
                let (start, mnemonic) = starts.range(..=address).next_back().expect("code");
                found += usize::from(*start == address && *mnemonic == self.processor.enter);
                // No operand has the address of one inside another, and no constant.
                let is_known = || {
                    text.contains(&format!("{address:x}"))
                        || program.chunks(8).any(|word| word == address.to_le_bytes())
                };
                assert!(*start == address || !is_known(), "{address:#x}: in {mnemonic}");
            }
        }
        let enters = self.instructions.iter().filter(|i| i.mnemonic == self.processor.enter);
        assert_eq!(found, enters.count());
    }

    /// Every number with which the program can enter the kernel.
    fn numbers(&self) -> BTreeSet<u64> {
        let mut numbers = BTreeSet::new();
        for (i, instruction) in self.instructions.iter().enumerate() {
            let Instruction { address, mnemonic, .. } = instruction;
            assert!(!self.processor.others.contains(&&**mnemonic), "{address:#x}: {mnemonic}");
            if mnemonic == self.processor.enter {
                numbers.extend(self.numbers_at(i));
            }
        }
        assert!(!numbers.is_empty());
        numbers
    }

    /// The values that the register can have before instruction `site`.
    fn numbers_at(&self, site: usize) -> BTreeSet<u64> {
        let (mut numbers, mut seen, mut to_do) = (BTreeSet::new(), BTreeSet::new(), vec![site]);
        while let Some(mut i) = to_do.pop() {
            while seen.insert(i) {
                let jumps = self.jumps.get(&self.instructions[i].address);
                to_do.extend(jumps.into_iter().flatten());
                i = i.checked_sub(1).expect("an instruction before");
                let Instruction { address, mnemonic, operands } = &self.instructions[i];
                if self.processor.end.contains(&&**mnemonic) {
                    assert!(jumps.is_some(), "no known jump to the code after {address:#x}");
                    break;
                }
                if let Some(number) = self.constant(i) {
                    numbers.insert(number);
                    break;
                }
                let is_named = operands.iter().any(|operand| {
                    let mut words = operand.split(|c: char| !c.is_ascii_alphanumeric() && c != '%');
                    words.any(|word| self.processor.register.contains(&word))
                });
                let is_changed = is_named || self.processor.clobber.contains(&&**mnemonic);
                assert!(!is_changed, "{address:#x}: {mnemonic} before the system call");
            }
        }
        numbers
    }

    /// The constant that instruction `i` loads into the register.
    fn constant(&self, i: usize) -> Option<u64> {
        let Instruction { mnemonic, operands, .. } = &self.instructions[i];
        let operands: Vec<_> = operands.iter().map(String::as_str).collect();
        let register = self.processor.register;
        match (&**mnemonic, &operands[..]) {
            // x86_64 has the destination last, and no constant is "$"-less.
            ("mov", [constant, to]) if register.contains(to) => number(constant.strip_prefix('$')?),
            ("xor", ["%eax", "%eax"]) => Some(0),
            ("pop", ["%rax"]) => {
                let before = &self.instructions[i - 1];
                let pushed = (before.mnemonic == "push").then(|| before.operands[0].as_str())?;
                number(pushed.strip_prefix('$')?)
            }
            ("mov" | "li", [to, constant]) if register.contains(to) => {
                number(constant.trim_start_matches('#'))
            }
            _ => None,
        }
    }
}

impl Instruction {
    /// Reads a line of objdump: address, colon, mnemonic, operands, and perhaps a comment.
    fn read(line: &str) -> Option<Instruction> {
        let (address, text) = line.trim_start().split_once(":\t")?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let text = text.split("//").next().unwrap().split(" # ").next().unwrap();
        let text = text.split(" <").next().unwrap().trim();
        let (mnemonic, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let operands = operands.split(',').map(|operand| operand.trim().to_string()).collect();
        Some(Instruction { address, mnemonic: mnemonic.into(), operands })
    }
}

/// A number as objdump writes it.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[test]
#[should_panic = "0x2: syscall before the system call"]
fn a_number_that_is_the_result_of_the_call_before_is_noticed() {
    Code::new(X86_64, "1:\tmov $0x1,%eax\n2:\tsyscall\n3:\tsyscall").numbers();
}

#[test]
fn the_code_of_each_program_has_the_published_calls_and_no_other() {
    for name in ALL {
        let Some(code) = Code::read(&program(name)) else {
            leave_out(&format!("there is no objdump for {name}"));
            continue;
        };
        let list = folder().join(code.processor.name).join(format!("{name}.txt"));
        let list = fs::read_to_string(list).unwrap();
        let mut published = BTreeSet::new();
        let mut names = BTreeMap::new();
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let (number, call) = (words.next().unwrap(), words.next().unwrap());
            names.insert(number.parse().unwrap(), call);
            // Elsewhere than on x86_64 a signal handler returns to the kernel's vDSO.
            let is_made_by_the_kernel = ["restart_syscall", "execve"].contains(&call)
                || call == "rt_sigreturn" && code.processor.name != "x86_64";
            if !is_made_by_the_kernel {
                published.insert(call.to_string());
            }
        }
        if name == "cleanup" && code.processor.name == "x86_64" {
            // It installs no handler, but the code to which a handler would return is there:
            // cleanup.txt and README.md say so, too.
            names.insert(libc::SYS_rt_sigreturn as u64, "rt_sigreturn");
            published.insert("rt_sigreturn".into());
        }
        let found = code.numbers().into_iter().map(|number| match names.get(&number) {
            Some(call) => call.to_string(),
            None => format!("call {number}"),
        });
        let found = Vec::from_iter(found.collect::<BTreeSet<_>>()).join("\n");
        let published = Vec::from_iter(published).join("\n");
        let what = format!("{name}: its list (-), and its code (+)");
        assert_same_lines(&what, &published, &found);
    }
}
