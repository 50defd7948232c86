//! Every exercise fails unsolved with a sentence of its own, every solution passes, and every trap is
//! told what is wrong with it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use lesson::course::{Step, Verdict, hole, steps, text_of};

/// Judges sources, some at the same time because many wait. Returns what is wrong.
fn complaints(check: impl Fn(&Step) -> Vec<String> + Sync) -> Vec<String> {
    let (steps, next, complaints) = (steps(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(step) = steps.get(next.fetch_add(1, SeqCst)) {
                    complaints.lock().unwrap().extend(check(step));
                }
            });
        }
    });
    complaints.into_inner().unwrap()
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "it passes".into(),
        Verdict::Failed(sentence) => sentence.clone(),
        Verdict::NotCompiled(errors) => format!("it does not compile: {errors}"),
        Verdict::Broken(why) => format!("it cannot be judged: {why}"),
    }
}

#[test]
fn every_exercise_compiles_unsolved_and_fails_with_a_sentence() {
    let complaints = complaints(|step| {
        let mut complaints = Vec::new();
        let unsolved = step.filled(&step.unsolved());
        let verdict = step.judge(&unsolved, "unsolved");
        // One has a type in its hole, which fails by its size.
        let words = if step.number == 3 { "it is 0 bytes long" } else { "not yet implemented" };
        if !matches!(&verdict, Verdict::Failed(sentence) if sentence.contains(words)) {
            complaints.push(format!("{}: {}", step.name, shown(&verdict)));
        }
        let lines = unsolved.lines().count();
        if lines > 155 {
            complaints.push(format!("{}: {lines} lines", step.name));
        }
        complaints
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_hole_that_ends_the_process_does_not_pass() {
    let complaints = complaints(|step| {
        let hole = step.unsolved().replace("todo!(", "end(");
        let end = "#[cfg(not(program))]\nfn end(_: &str) -> ! { std::process::exit(0) }\n";
        let verdict = step.judge(&step.filled(&(hole + end)), "end");
        let is_refused = matches!(&verdict, Verdict::Failed(_));
        (!is_refused).then(|| format!("{}: {}", step.name, shown(&verdict))).into_iter().collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_crash_is_explained() {
    let step = &steps()[3];
    let crash = step.solution().replace(
        "fn send(mqd: c_int, message: &[u8]) -> c_int {",
        "fn send(mqd: c_int, message: &[u8]) -> c_int {\n    \
         unsafe { (message.len() as *const u8).read_volatile() };",
    );
    let sentence = shown(&step.judge(&step.filled(&crash), "crash"));
    assert!(
        sentence.contains("signal 11: it read or wrote memory that is not its own"),
        "{sentence}"
    );
}

#[test]
fn every_solution_passes() {
    let complaints = complaints(|step| {
        let verdict = step.judge(&step.filled(&step.solution()), "solution");
        let is_good = matches!(verdict, Verdict::Passed);
        (!is_good).then(|| format!("{}: {}", step.name, shown(&verdict))).into_iter().collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_trap_is_told_what_is_wrong() {
    let complaints = complaints(|step| {
        let mut complaints = Vec::new();
        let traps = step.traps();
        if traps.is_empty() {
            complaints.push(format!("{}: no trap", step.name));
        }
        for (i, trap) in traps.iter().enumerate() {
            let verdict = step.judge(&step.filled(&trap.code), &format!("trap{i}"));
            let said = shown(&verdict);
            if matches!(verdict, Verdict::Passed) || !said.contains(&trap.says) {
                let (name, title, says) = (&step.name, &trap.title, &trap.says);
                complaints.push(format!("{name}, {title}: {said}\n    not: {says}"));
            }
        }
        complaints
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_step_is_what_has_a_solution_with_its_number() {
    let names: Vec<_> = steps().iter().map(|step| (step.number, step.name.clone())).collect();
    assert_eq!(names.first(), Some(&(1, "01_declare".into())));
    assert_eq!(names.last(), Some(&(17, "17_start".into())));
}

#[test]
fn each_step_has_a_hint_and_then_the_call() {
    for step in steps() {
        assert_eq!(step.hints().len(), 2, "{}", step.name);
    }
}

#[test]
fn a_damaged_file_is_told_apart() {
    let good = steps()[3].filled("fn send() {}\n");
    let is_good = |text: &str| text_of(Ok(text.as_bytes().to_vec())).is_ok();
    assert!(is_good(&good));
    assert!(is_good(&good.replace('\n', "\r\n")), "an editor of another system");
    assert!(is_good(&format!("\u{feff}{good}")), "with a byte order mark");
    let says = |bytes: &[u8]| text_of(Ok(bytes.to_vec())).unwrap_err();
    assert_eq!(says(b""), "the file is empty");
    let half = good.split("// ---- the tests").next().unwrap();
    assert_eq!(says(half.as_bytes()), "the line `// ---- the tests ----` is missing");
    assert_eq!(
        says(good.replace("//! Read", "// Read").as_bytes()),
        "the comment at its head is not as it was"
    );
    assert_eq!(
        says(&[b"//!\n", &b"\xff"[..]].concat()),
        "line 2 contains a byte that is not UTF-8"
    );
    let missing = text_of(std::fs::read("no such file")).unwrap_err();
    assert!(missing.contains("No such file"), "{missing}");
    assert_eq!(&good[hole(&good).unwrap()], "fn send() {}\n");
}
