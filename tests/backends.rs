//! The same tests through both backends: by number, and through the C library.

#![allow(unsafe_code)] // descriptors out of nowhere, signal handlers

mod common;

use std::ffi::{CStr, CString, c_ulong};
use std::fs::DirEntry;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};

use common::Place;
use mq_sketch::mq::{Mqd, attributes, nonblocking};
use mq_sketch::os::{CPUS, Disposition, Errno, Fd, SignalSet};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
#[cfg(target_os = "linux")]
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as ArgLen, SeccompCmpOp as CmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

const EXPIRED: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;

/// A descriptor that no test is given.
const NOBODYS: i32 = 1 << 20;

/// The deadline so many milliseconds from now.
fn soon(milliseconds: u64) -> libc::timespec {
    let then = std::time::SystemTime::now() + std::time::Duration::from_millis(milliseconds);
    let then = then.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    libc::timespec { tv_sec: then.as_secs() as i64, tv_nsec: then.subsec_nanos().into() }
}

/// The descriptor of something that lives to the end of a test.
fn borrowed(owner: &impl AsRawFd) -> Fd {
    // SAFETY: nothing closes it before its owner.
    unsafe { Fd::from_raw(owner.as_raw_fd()) }
}

macro_rules! conformance {
    ($backend:ident) => {
        mod $backend {
            use super::*;
            use mq_sketch::mq::$backend as mq;
            use mq_sketch::os::$backend as os;

            /// A queue name that no other test has.
            fn place(test: &str) -> Place {
                Place::new(&format!("{}-{test}", mq::BACKEND))
            }

            /// Runs a test with a queue.
            fn with_queue(test: &str, maxmsg: usize, msgsize: usize, body: impl FnOnce(&Mqd)) {
                let place = place(test);
                let mqd = create(place.name.as_c_str(), maxmsg, msgsize).unwrap();
                body(&mqd);
                mq::mq_close(mqd).unwrap();
            }

            fn create(name: &CStr, maxmsg: usize, msgsize: usize) -> Result<Mqd, Errno> {
                mq::mq_open(name, NEW, 0o600, Some(&attributes(maxmsg, msgsize)))
            }

            #[test]
            fn a_message_arrives_as_it_was_sent() {
                with_queue("arrives", 2, 16, |mqd| {
                    let mut buffer = [0xaa; 16];
                    for message in [&b""[..], b"x", b"\0\xff\n", b"sixteen bytes it"] {
                        mq::mq_timedsend(mqd, message, 0, Some(&EXPIRED)).unwrap();
                        let length = mq::mq_timedreceive(mqd, &mut buffer, Some(&EXPIRED)).unwrap();
                        assert_eq!(&buffer[..length], message);
                    }
                });
            }

            #[test]
            fn a_higher_priority_comes_first_and_equal_ones_in_their_order() {
                with_queue("priority", 4, 4, |mqd| {
                    for (message, priority) in [(b"low1", 0), (b"low2", 0), (b"high", 32767)] {
                        mq::mq_timedsend(mqd, message, priority, Some(&EXPIRED)).unwrap();
                    }
                    let (mut order, mut buffer) = (Vec::new(), [0; 4]);
                    while let Ok(length) = mq::mq_timedreceive(mqd, &mut buffer, Some(&EXPIRED)) {
                        order.push(buffer[..length].to_vec());
                    }
                    assert_eq!(order, [b"high", b"low1", b"low2"]);
                    let beyond_mq_prio_max = mq::mq_timedsend(mqd, b"", 32768, Some(&EXPIRED));
                    assert_eq!(beyond_mq_prio_max, Err(Errno::EINVAL));
                });
            }

            #[test]
            fn a_new_queue_has_the_attributes_asked_for() {
                let place = place("attributes");
                let name = place.name.as_c_str();
                let mqd = create(name, 3, 48).unwrap();
                let flags = nix::mqueue::MQ_OFlag::O_RDONLY;
                let mode = nix::sys::stat::Mode::empty();
                let other = nix::mqueue::mq_open(name, flags, mode, None).unwrap();
                let found = nix::mqueue::mq_getattr(&other).unwrap();
                assert_eq!((found.maxmsg(), found.msgsize(), found.curmsgs()), (3, 48, 0));
                mq::mq_close(mqd).unwrap();
            }

            #[test]
            fn what_exists_cannot_be_created_and_what_does_not_cannot_be_opened_or_unlinked() {
                let place = place("exists");
                let name = place.name.as_c_str();
                assert_eq!(mq::mq_open(name, libc::O_RDWR, 0, None), Err(Errno::ENOENT));
                assert_eq!(mq::mq_unlink(name), Err(Errno::ENOENT));
                let mqd = create(name, 1, 1).unwrap();
                assert_eq!(create(name, 1, 1), Err(Errno::EEXIST));
                mq::mq_close(mqd).unwrap();
                mq::mq_unlink(name).unwrap();
                assert_eq!(mq::mq_unlink(name), Err(Errno::ENOENT));
            }

            #[test]
            fn a_name_needs_its_slash() {
                for name in [c"name", c""] {
                    assert_eq!(mq::mq_open(name, NEW, 0o600, None), Err(Errno::EINVAL));
                    assert_eq!(mq::mq_unlink(name), Err(Errno::EINVAL));
                }
            }

            #[test]
            fn an_empty_queue_gives_nothing_and_a_full_one_takes_nothing_in_time() {
                with_queue("full", 1, 4, |mqd| {
                    let mut buffer = [0; 4];
                    for deadline in [EXPIRED, soon(20)] {
                        let empty = mq::mq_timedreceive(mqd, &mut buffer, Some(&deadline));
                        assert_eq!(empty, Err(Errno::ETIMEDOUT));
                    }
                    mq::mq_timedsend(mqd, b"one", 0, Some(&EXPIRED)).unwrap();
                    for deadline in [EXPIRED, soon(20)] {
                        let full = mq::mq_timedsend(mqd, b"two", 0, Some(&deadline));
                        assert_eq!(full, Err(Errno::ETIMEDOUT));
                    }
                    assert_eq!(mq::mq_timedreceive(mqd, &mut buffer, Some(&EXPIRED)), Ok(3));
                });
            }

            #[test]
            fn with_o_nonblock_no_call_waits_whatever_the_deadline_is_and_it_can_be_cleared_and_set() {
                let place = place("nonblock");
                let name = place.name.as_c_str();
                let maker = create(name, 1, 4).unwrap();
                let flags = libc::O_RDWR | libc::O_NONBLOCK;
                let mqd = mq::mq_open(name, flags, 0, None).unwrap();
                let mut buffer = [0; 4];
                for deadline in [None, Some(&EXPIRED), Some(&soon(20))] {
                    let empty = mq::mq_timedreceive(&mqd, &mut buffer, deadline);
                    assert_eq!(empty, Err(Errno::EAGAIN));
                    mq::mq_timedsend(&mqd, b"one", 0, deadline).unwrap();
                    let full = mq::mq_timedsend(&mqd, b"two", 0, deadline);
                    assert_eq!(full, Err(Errno::EAGAIN));
                    assert_eq!(mq::mq_timedreceive(&mqd, &mut buffer, deadline), Ok(3));
                }
                for (is_nonblocking, errno) in [(false, Errno::ETIMEDOUT), (true, Errno::EAGAIN)] {
                    mq::mq_setattr(&mqd, &nonblocking(is_nonblocking)).unwrap();
                    let empty = mq::mq_timedreceive(&mqd, &mut buffer, Some(&EXPIRED));
                    assert_eq!(empty, Err(errno));
                }
                mq::mq_close(maker).unwrap();
                mq::mq_close(mqd).unwrap();
            }

            #[test]
            fn a_bad_deadline_or_length_is_refused_even_where_no_wait_is_needed() {
                with_queue("refused", 1, 4, |mqd| {
                    for tv_nsec in [-1, 1_000_000_000] {
                        let bad = libc::timespec { tv_sec: 0, tv_nsec };
                        assert_eq!(mq::mq_timedsend(mqd, b"", 0, Some(&bad)), Err(Errno::EINVAL));
                        let refused = mq::mq_timedreceive(mqd, &mut [0; 4], Some(&bad));
                        assert_eq!(refused, Err(Errno::EINVAL));
                    }
                    let too_long = mq::mq_timedsend(mqd, b"12345", 0, Some(&EXPIRED));
                    assert_eq!(too_long, Err(Errno::EMSGSIZE));
                    mq::mq_timedsend(mqd, b"1", 0, Some(&EXPIRED)).unwrap();
                    let too_short = mq::mq_timedreceive(mqd, &mut [0; 3], Some(&EXPIRED));
                    assert_eq!(too_short, Err(Errno::EMSGSIZE)); // the message is even shorter
                });
            }

            #[test]
            fn a_descriptor_that_is_not_open_is_refused() {
                // SAFETY: nothing has this descriptor, so nothing closes it.
                let mqd = unsafe { Mqd::from_raw(NOBODYS) };
                let bad = Errno::EBADF;
                assert_eq!(mq::mq_timedsend(&mqd, b"", 0, Some(&EXPIRED)), Err(bad));
                assert_eq!(mq::mq_timedreceive(&mqd, &mut [0; 4], Some(&EXPIRED)), Err(bad));
                assert_eq!(mq::mq_setattr(&mqd, &nonblocking(true)), Err(bad));
                assert_eq!(mq::mq_close(mqd), Err(bad));
                // SAFETY: as above.
                let fd = || unsafe { Fd::from_raw(NOBODYS) };
                assert_eq!(os::read(&fd(), &mut [0; 4]), Err(bad));
                assert_eq!(os::write(&fd(), b"x"), Err(bad));
                assert_eq!(os::fstat(&fd()).err(), Some(bad));
                assert_eq!(os::poll_output(&fd(), 0), Ok(libc::POLLNVAL)); // write(2): EBADF
                assert!(!os::is_terminal(&fd()));
                assert_eq!(os::close(fd()), Err(bad));
            }

            #[test]
            fn files_can_be_read_and_written() {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), "seven\n!").unwrap();
                let fd = os::open(&CString::new(file.path().to_str().unwrap()).unwrap(), false).unwrap();
                let mut buffer = [0; 16];
                assert_eq!(os::read(&fd, &mut buffer), Ok(7));
                assert_eq!(&buffer[..7], b"seven\n!");
                assert_eq!(os::read(&fd, &mut buffer), Ok(0));
                assert_eq!(os::write(&fd, b"x"), Err(Errno::EBADF)); // open for reading
                assert_eq!(os::fstat(&fd).unwrap().st_nlink, 1);
                file.close().unwrap();
                assert_eq!(os::fstat(&fd).unwrap().st_nlink, 0);
                os::close(fd).unwrap();
                assert_eq!(os::open(c"/nonexistent/file", false).err(), Some(Errno::ENOENT));
            }

            #[test]
            fn a_file_is_closed_in_a_program_that_is_started_and_waits_unless_told_otherwise() {
                let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
                let name = CString::new(path.to_str().unwrap()).unwrap();
                for is_nonblocking in [false, true] {
                    let fd = os::open(&name, is_nonblocking).unwrap();
                    let files = std::fs::read_dir("/proc/self/fd").unwrap();
                    let is_it = |file: &DirEntry| {
                        std::fs::read_link(file.path()).is_ok_and(|to| *to == *path)
                    };
                    let file = files.map(Result::unwrap).find(is_it).expect("it is open");
                    let number = file.file_name();
                    let info = Path::new("/proc/self/fdinfo").join(number);
                    let info = std::fs::read_to_string(info).unwrap();
                    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                    let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
                    assert_eq!(flags & libc::O_CLOEXEC, libc::O_CLOEXEC);
                    assert_eq!(flags & libc::O_NONBLOCK != 0, is_nonblocking);
                    os::close(fd).unwrap();
                }
            }

            /// Whether a child process, in which nothing but system calls may be made, returns true.
            fn in_child(body: impl FnOnce() -> bool) -> bool {
                // SAFETY: the caller's promise.
                match unsafe { os::fork() }.unwrap() {
                    0 => os::exit(if body() { 0 } else { 1 }),
                    pid => {
                        let status = || os::wait_child(pid).expect("a child");
                        common::wait_until("the child has ended", status) == 0
                    }
                }
            }

            #[test]
            fn a_locked_byte_is_its_holders_until_that_exits() {
                let file = tempfile::tempfile().unwrap();
                let fd = borrowed(&file);
                let parent = os::process_id();
                os::lock_byte(&fd, 0).unwrap();
                assert!(in_child(|| {
                    os::lock_byte(&fd, 0) == Err(Errno::EAGAIN)
                        && os::byte_owner(&fd, 0) == Ok(Some(parent))
                        && os::byte_owner(&fd, 1) == Ok(None)
                        && os::lock_byte(&fd, 1) == Ok(())
                }));
                assert_eq!((os::byte_owner(&fd, 0), os::byte_owner(&fd, 1)), (Ok(None), Ok(None)));
                assert_eq!(os::lock_byte(&fd, 1), Ok(()));
            }

            #[test]
            fn the_timer_sends_sigalrm_again_and_again_until_it_is_cleared() {
                let alarm = SignalSet(0).with(libc::SIGALRM);
                let wait = |nanoseconds| os::sigwait(alarm, Some(nanoseconds));
                assert_eq!(os::set_alarm_interval(1_000_000), Err(Errno::EINVAL));
                // The timer belongs to the process.
                assert!(in_child(|| {
                    os::sigprocmask(libc::SIG_BLOCK, alarm) == Ok(())
                        && os::set_alarm_interval(1000) == Ok(())
                        && (0..3).all(|_| wait(60_000_000_000) == Ok(libc::SIGALRM))
                        && os::set_alarm_interval(0) == Ok(())
                        && (wait(0).is_err() || wait(0).is_err())
                        && wait(20_000_000) == Err(Errno::EAGAIN)
                }));
            }

            #[test]
            fn an_option_of_prctl_gets_its_argument() {
                assert!(in_child(|| {
                    let mut signal = 0;
                    // SAFETY: the first takes a number, and the kernel writes an int at the second.
                    unsafe {
                        os::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR2 as usize, 0) == Ok(())
                            && libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal) == 0
                            && signal == libc::SIGUSR2
                    }
                }));
                // SAFETY: there is no such option.
                assert_eq!(unsafe { os::prctl(-1, 0, 0) }, Err(Errno::EINVAL));
            }

            /// There may be more than 64, though not on this machine. The filter refuses a set of another
            /// size.
            #[test]
            #[cfg(target_os = "linux")]
            fn a_set_of_cpus_is_passed_in_its_full_size() {
                let condition = SeccompCondition::new(1, ArgLen::Qword, CmpOp::Ne, CPUS as u64 / 8);
                let rule = SeccompRule::new(vec![condition.unwrap()]).unwrap();
                let calls = [libc::SYS_sched_setaffinity, libc::SYS_sched_getaffinity];
                let rules = calls.map(|call| (call, vec![rule.clone()])).into();
                let refuse = SeccompAction::Errno(libc::EDOM as u32);
                let processor = std::env::consts::ARCH.try_into().expect("one with filters");
                let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, processor).unwrap();
                let filter = BpfProgram::try_from(filter).unwrap();
                let cpu = common::allowed_cpus()[0];
                assert!(in_child(|| {
                    seccompiler::apply_filter(&filter).is_ok()
                        && os::set_cpu(cpu) == Ok(())
                        && os::cpus().is_ok_and(|set| set.iter().sum::<c_ulong>() != 0)
                }));
            }

            #[test]
            fn a_pipe_is_writable_until_it_is_full_and_again_without_a_reader() {
                let (reader, writer) = nix::unistd::pipe().unwrap();
                let fd = borrowed(&writer);
                assert_eq!(os::poll_output(&fd, 60), Ok(libc::POLLOUT)); // without waiting
                (0..16).for_each(|_| assert_eq!(os::write(&fd, &[0; 4096]), Ok(4096)));
                assert_eq!(os::poll_output(&fd, 0), Ok(0));
                drop(reader);
                let events = os::poll_output(&fd, 60).unwrap();
                assert_eq!(events & libc::POLLERR, libc::POLLERR);
            }

            #[test]
            fn a_terminal_is_told_from_a_pipe() {
                let terminal = nix::pty::openpty(None, None).unwrap();
                let (_reader, writer) = nix::unistd::pipe().unwrap();
                for (fd, is_terminal) in
                    [(terminal.slave.as_raw_fd(), true), (writer.as_raw_fd(), false)]
                {
                    // SAFETY: both live to the end of the test.
                    assert_eq!(os::is_terminal(&unsafe { Fd::from_raw(fd) }), is_terminal);
                }
            }

            #[test]
            fn clocks_go_forward_and_tell_the_time() {
                let first = os::clock_gettime(libc::CLOCK_MONOTONIC).unwrap();
                os::nanosleep(&libc::timespec { tv_sec: 0, tv_nsec: 1000 }).unwrap();
                os::sched_yield();
                let second = os::clock_gettime(libc::CLOCK_MONOTONIC).unwrap();
                assert!((first.tv_sec, first.tv_nsec) < (second.tv_sec, second.tv_nsec));
                let before = soon(0).tv_sec;
                let now = os::clock_gettime(libc::CLOCK_REALTIME).unwrap().tv_sec;
                assert!((before..=before + 60).contains(&now));
                assert!(matches!(os::clock_gettime(99), Err(Errno::EINVAL)));
                let bad = libc::timespec { tv_sec: 0, tv_nsec: -1 };
                assert_eq!(os::nanosleep(&bad), Err(Errno::EINVAL));
            }

            #[test]
            fn cpu_time_is_that_of_this_process() {
                let theirs = || {
                    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
                    [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds())
                };
                let mut work = 0_u64;
                while theirs()[0] < 1000 {
                    (0..100_000).for_each(|i| work = std::hint::black_box(work ^ i));
                }
                let (before, ours, after) = (theirs(), os::getrusage().unwrap(), theirs());
                for (i, time) in [ours.ru_utime, ours.ru_stime].into_iter().enumerate() {
                    let time = time.tv_sec * 1_000_000 + time.tv_usec;
                    assert!((before[i]..=after[i]).contains(&time), "{before:?} {time} {after:?}");
                }
            }

            #[test]
            fn this_thread_may_run_on_the_cpus_that_are_allowed_and_then_on_the_one_that_is_set() {
                let bits = usize::BITS as usize;
                let allowed = || -> Vec<_> {
                    let set = os::cpus().unwrap();
                    (0..CPUS).filter(|cpu| set[cpu / bits] >> (cpu % bits) & 1 == 1).collect()
                };
                let all = common::allowed_cpus();
                assert_eq!(allowed(), all);
                for cpu in 0..CPUS {
                    match os::set_cpu(cpu) {
                        Ok(()) => assert_eq!(allowed(), [cpu]),
                        errno => assert!(errno == Err(Errno::EINVAL) && !all.contains(&cpu)),
                    }
                }
                assert_eq!(os::set_cpu(CPUS - 1), Err(Errno::EINVAL));
            }

            #[test]
            fn the_kernel_tells_its_release() {
                let file = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
                let name = os::uname().unwrap();
                let release = name.release.iter().map(|byte| *byte as u8 as char);
                assert_eq!(release.take_while(|c| *c != '\0').collect::<String>(), file.trim());
            }

            #[test]
            fn a_signal_can_be_ignored_handled_and_waited_for() {
                static SEEN: AtomicI32 = AtomicI32::new(0);
                extern "C" fn see(signal: libc::c_int) {
                    SEEN.store(signal, SeqCst);
                }
                // A signal of its own for each backend: both tests run at once, and dispositions
                // belong to the process.
                let signal = if mq::BACKEND == "raw" { 40 } else { 41 };
                // SAFETY: `see` stores a number and does nothing else.
                let install = |disposition| unsafe { os::sigaction(signal, disposition) };
                let raise = || {
                    // SAFETY: sends a signal to this thread.
                    unsafe { libc::pthread_kill(libc::pthread_self(), signal) }
                };
                assert_eq!(os::is_ignored(signal), Ok(false));
                install(Disposition::Ignore).unwrap();
                raise();
                assert_eq!(os::is_ignored(signal), Ok(true));
                install(Disposition::Handler(see)).unwrap();
                assert_eq!(os::is_ignored(signal), Ok(false));
                raise();
                assert_eq!(SEEN.swap(0, SeqCst), signal);

                os::sigprocmask(libc::SIG_BLOCK, SignalSet(0).with(signal)).unwrap();
                raise();
                assert_eq!(os::sigwait(SignalSet(0).with(signal), None), Ok(signal));
                assert_eq!(os::sigwait(SignalSet(0).with(signal), Some(1_000_000_000)), Err(Errno::EAGAIN));
                os::sigprocmask(libc::SIG_UNBLOCK, SignalSet(0).with(signal)).unwrap();
                assert_eq!(SEEN.load(SeqCst), 0);

                // SAFETY: no handler is installed.
                let refused = unsafe { os::sigaction(libc::SIGKILL, Disposition::Ignore) };
                assert_eq!(refused, Err(Errno::EINVAL));
            }

            #[test]
            fn the_umask_is_set_and_the_old_one_returned() {
                // The umask belongs to the process: only its own value is set here.
                let old = os::umask(0o022);
                assert_eq!(os::umask(old), 0o022);
            }

            #[test]
            fn a_mapping_is_zeroed_and_shared_with_a_later_child() {
                // SAFETY: the mapping has this length and stays; atomics may be shared.
                let words = unsafe { &*os::mmap(16).unwrap().cast::<[AtomicU64; 2]>() };
                assert_eq!([words[0].load(SeqCst), words[1].load(SeqCst)], [0, 0]);
                assert!(in_child(|| words[1].swap(7, SeqCst) == 0));
                assert_eq!([words[0].load(SeqCst), words[1].load(SeqCst)], [0, 7]);
                assert_eq!(os::mmap(0), Err(Errno::EINVAL));
                let address = std::ptr::from_ref(words).cast_mut().cast();
                for (length, result) in [(16, Ok(())), (0, Err(Errno::EINVAL))] {
                    // SAFETY: nothing refers to the words any more.
                    assert_eq!(unsafe { os::munmap(address, length) }, result);
                }
            }

            #[test]
            fn this_process_and_its_parent_have_their_numbers_and_a_process_can_be_asked_for() {
                assert_eq!(os::process_id(), std::process::id() as libc::pid_t);
                assert_eq!(os::parent(), std::os::unix::process::parent_id() as libc::pid_t);
                assert_eq!(os::kill(os::process_id(), 0), Ok(()));
                assert_eq!(os::kill(libc::pid_t::MAX, 0), Err(Errno::ESRCH));
            }

            #[test]
            #[allow(clippy::zombie_processes)] // it is waited for below
            fn a_child_is_waited_for_by_its_process_id() {
                let mut child = std::process::Command::new("cat")
                    .stdin(std::process::Stdio::piped())
                    .spawn()
                    .unwrap();
                let pid = child.id() as libc::pid_t;
                assert_eq!(os::wait_child(pid), Ok(None));
                drop(child.stdin.take());
                let status = || os::wait_child(pid).unwrap();
                assert_eq!(common::wait_until("it has ended", status), 0);
                assert_eq!(os::wait_child(pid), Err(Errno::ECHILD));
            }
        }
    };
}

#[cfg(raw_backend)]
conformance!(raw);
conformance!(ffi);

#[test]
fn shared_words_are_zero_and_can_be_stored_to_until_they_are_unmapped() {
    let mut words = mq_sketch::os::map_shared(3).unwrap();
    words[2].store(5, SeqCst);
    assert_eq!(words.iter().map(|word| word.load(SeqCst)).collect::<Vec<_>>(), [0, 0, 5]);
    assert_eq!((words.unmap(), words.len()), (Ok(()), 0));
    assert_eq!(words.unmap(), Err(Errno::EINVAL)); // it has no words any more
    assert_eq!(mq_sketch::os::map_shared(0).err(), Some(Errno::EINVAL));
    assert_eq!(mq_sketch::os::map_shared(usize::MAX).err(), Some(Errno::ENOMEM));
}

#[test]
fn durations_use_the_monotonic_clock_and_times_the_wall_clock() {
    use nix::time::{ClockId, clock_gettime};
    let read = |clock| {
        let time = clock_gettime(clock).unwrap();
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    };
    for (clock, ours) in [
        (ClockId::CLOCK_MONOTONIC, mq_sketch::os::monotonic_nanoseconds as fn() -> u64),
        (ClockId::CLOCK_REALTIME, mq_sketch::os::realtime_nanoseconds),
    ] {
        let before = read(clock);
        let between = ours();
        assert!((before..=read(clock)).contains(&between), "{clock}");
    }
}
