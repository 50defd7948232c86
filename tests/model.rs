//! A model check: two real [`Dialogue`]s and one queue, in every order of their calls, with and
//! without an intruder.
//!
//! Tests of whole programs see the orders that the scheduler chooses; here all are tried. A step is
//! one call on the queue: a receive that takes the first message, or a send that appends one. (A
//! poll of an empty queue is a step only after a look at a lock; else it changes nothing.) The test
//! judges by a log and an md5 of its own. [`Side::call`] does what the module `conversation` does
//! around a [`Dialogue`]: `wire` and `corruption` try that on the programs.
//!
//! Left alone, both programs finish in every order, and at most one message is in flight, so no two
//! can change places. A program may look at its peer's lock at any moment, and never reports the end
//! of a peer that has ended well. Then an intruder may do one thing to the queue at any moment:
//! [`TABLE`] and [`TABLE_OF_ONE_ITERATION`] list exactly what can follow. If the intruder copies and
//! alters messages, but calculates no md5:
//!
//! - No program answers a message that it has not verified, except conclusion its first.
//! - Premise is not done if anything happened before its check that the queue is empty. A changed
//!   or additional message stops the program that receives it. After a lost message, and after the
//!   peer has stopped, a program waits in vain.
//! - A wrong first message is accepted by conclusion, unless premise receives it before. The answer
//!   to it stops premise.
//! - Conclusion may be done although premise is not: only premise can notice what happens after
//!   conclusion's last message. Still, all that conclusion received was right, unless its only
//!   message was the first one.
//! - After the check nothing is noticed: no program receives the last answer, and premise removes
//!   the queue with all that is on it.
//!
//! Two or three such acts may undo each other, but if premise is done, all that both programs
//! received was right. This does not hold if the intruder calculates md5: it can speak in
//! conclusion's place, unnoticed. md5 finds accidents, not forgeries.
//!
//! The model has no clock and no full queue: a program gives up only when it waits in vain, and a
//! message may be longer than mq_msgsize.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use Phase::{Bereaved, ChecksQueue, Corrupted, Done, HandsBack, Receives, Sends, Silent};
use Step::{Calls, GivesUp, Intrudes, Looks, Polls};
use common::md5_hex;
use mq_sketch::chat::dialogue::{Dialogue, Received, Side as Of};
use mq_sketch::chat::message::{DIGEST_SIZE, Message};
use mq_sketch::chat::watchdog::{Holder, LockWatch};

/// What can follow one act of an intruder, in a conversation of at least three iterations.
///
/// A row is what happens to a message on the queue. A column is when, by the newest message, on the
/// queue or received and not answered yet: none; premise's first; one in the middle; the last that
/// conclusion receives; its reply; the same, after premise has checked the queue; premise's last
/// answer.
///
/// A cell has the possible ends, of premise and of conclusion: D done, C corrupted (exit 1), S
/// silent (exit 4: it waits in vain); with `!` if conclusion's first message was wrong.
const TABLE: &str = "
                    | nothing   | first     | middle    | last      | reply     | checked   | over
lost                | -         | SS        | SS        | SS        | SD        | -         | DD
changed             | -         | CS CS!    | CS SC     | CS SC     | CD        | -         | DD
old one instead     | -         | -         | CS SC     | CS SC     | CD SD     | -         | DD
doubled             | -         | CS SC     | CD CS SC  | CD        | CD        | -         | DD
an old one added    | -         | CS SC     | CD CS SC  | CD SC     | CD        | DD        | DD
a foreign one added | CC! CS    | CC! CS SC | CD CS SC  | CD SC     | CD        | DD        | DD
";

/// The same with a single iteration: conclusion receives nothing but premise's first message.
const TABLE_OF_ONE_ITERATION: &str = "
                    | nothing   | first     | middle    | last      | reply     | checked   | over
lost                | -         | SS        | -         | -         | SD        | -         | DD
changed             | -         | CD! CS    | -         | -         | CD        | -         | DD
old one instead     | -         | -         | -         | -         | SD        | -         | DD
doubled             | -         | CD        | -         | -         | CD        | -         | DD
an old one added    | -         | CD        | -         | -         | CD        | DD        | DD
a foreign one added | CD CD!    | CD CD!    | -         | -         | CD        | DD        | DD
";

/// When the conversation begins, in seconds after 1970.
const START: u64 = 1_795_390_920;

const PREMISE: usize = 0;
const CONCLUSION: usize = 1;

/// What a program does next, or how it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Sends,
    Receives,
    /// It has received its own message.
    HandsBack,
    /// Premise, between the last reply and its last answer.
    ChecksQueue,
    Done,
    Corrupted,
    Silent,
    /// It has reported that its peer has ended.
    Bereaved,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Side {
    dialogue: Dialogue,
    phase: Phase,
    /// What it has sent and what it has accepted as a reply, in turn.
    log: Vec<String>,
    /// What it knows of its peer's lock, and its misses since it found the lock free.
    watch: LockWatch,
    rounds_since: Option<u64>,
}

impl Side {
    /// Looks at the lock of its peer, which has ended.
    fn look(&mut self) {
        let rounds = *self.rounds_since.get_or_insert(0);
        if self.watch.check(None, self.dialogue.replies, rounds).is_some() {
            self.phase = Bereaved;
        }
    }

    /// A miss. Only the first one after a look makes a difference.
    fn idle_round(&mut self) {
        self.rounds_since = self.rounds_since.map(|_| 1);
    }

    /// Its next call on the queue, and what it does until the one after that.
    fn call(&mut self, queue: &mut Vec<String>) {
        let own = text(self.dialogue.own().text());
        self.phase = match self.phase {
            Sends => {
                queue.push(own.clone());
                self.log.push(own);
                if self.dialogue.is_over() {
                    Done
                } else {
                    self.dialogue.calculate_ahead();
                    Receives
                }
            }
            Receives => {
                let message = queue.remove(0);
                match self.dialogue.receive(message.as_bytes()) {
                    Received::Reply => {
                        self.log.push(message);
                        self.rounds_since = None;
                        if self.dialogue.must_check_empty_queue() { ChecksQueue } else { Sends }
                    }
                    Received::Own => {
                        assert_eq!(self.log.last(), Some(&message), "sent back");
                        HandsBack
                    }
                    Received::Unexpected => Corrupted,
                }
            }
            HandsBack => {
                queue.push(own);
                self.idle_round();
                Receives
            }
            ChecksQueue if queue.is_empty() => Sends,
            ChecksQueue => {
                queue.remove(0);
                Corrupted
            }
            Done | Corrupted | Silent | Bereaved => unreachable!("it has ended"),
        };
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Done | Corrupted | Silent | Bereaved)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    sides: [Side; 2],
    queue: Vec<String>,
    /// How often the intruder will still act.
    acts: usize,
}

impl State {
    fn has_ended(&self) -> bool {
        self.sides.iter().all(Side::has_ended)
    }

    fn are_both_done(&self) -> bool {
        self.sides.iter().all(|side| side.phase == Done)
    }

    fn after(&self, step: &Step) -> State {
        let mut next = self.clone();
        match step {
            Calls(program) => next.sides[*program].call(&mut next.queue),
            GivesUp(program) => next.sides[*program].phase = Silent,
            Looks(program) => next.sides[*program].look(),
            Polls(program) => next.sides[*program].idle_round(),
            Intrudes(_, queue) => {
                next.queue = queue.clone();
                next.acts -= 1;
            }
        }
        next
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Calls(usize),
    GivesUp(usize),
    /// At the lock of its peer, which has ended.
    Looks(usize),
    /// Finds the queue empty, after a look.
    Polls(usize),
    /// The row of the tables, and the queue after it.
    Intrudes(&'static str, Vec<String>),
}

struct Conversation {
    /// What is said if nothing goes wrong, from the first message to the last answer.
    chain: Vec<String>,
    begin: State,
    /// The intruder knows what the answers are.
    calculates: bool,
}

/// States, and for each those from which it is one step.
type Graph = HashMap<Rc<State>, Vec<Rc<State>>>;

impl Conversation {
    fn new(iterations: usize, acts: usize) -> Conversation {
        let first = Message::time(START);
        let mut chain = vec![text(first.text())];
        for last in 0..2 * iterations {
            chain.push(answer_to(&chain[last]));
        }
        let premise = Dialogue::premise(first, iterations as u64, DIGEST_SIZE);
        let conclusion = Dialogue::conclusion(iterations as u64, DIGEST_SIZE);
        let sides = [(premise, Sends), (conclusion, Receives)];
        let sides = sides.map(|(dialogue, phase)| Side {
            dialogue,
            phase,
            log: Vec::new(),
            watch: LockWatch::new(Some(Holder { side: Of::Premise, pid: None })),
            rounds_since: None,
        });
        let begin = State { sides, queue: Vec::new(), acts };
        Conversation { chain, begin, calculates: false }
    }

    /// The side has received and sent all that it had to, and nothing else.
    fn went_well(&self, side: &Side) -> bool {
        // Conclusion does not receive the last answer.
        let length = self.chain.len() - usize::from(side.dialogue.side == Of::Conclusion);
        side.log == self.chain[..length] && side.dialogue.replies == self.chain.len() as u64 / 2
    }

    /// All that can happen now.
    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for program in [PREMISE, CONCLUSION] {
            let (side, peer) = (&state.sides[program], &state.sides[1 - program]);
            let waits = side.phase == Receives;
            if !side.has_ended() && (!waits || !state.queue.is_empty()) {
                steps.push(Calls(program));
            }
            // It waits in vain if the peer has ended or waits too, and nothing is on the queue but
            // its own message, to be received for ever. TIMEOUT ends this.
            let is_alone = peer.has_ended() || peer.phase == Receives && state.queue.is_empty();
            let is_own = |queued| side.log.last() == Some(queued);
            if waits && is_alone && state.queue.iter().all(is_own) {
                steps.push(GivesUp(program));
            }
        }
        if state.acts > 0 {
            self.intrude(state, &mut steps);
        }
        if self.begin.acts == 0 {
            self.watch_peers(state, &mut steps);
        }
        steps
    }

    /// The looks at a lock. With an intruder none are made: what follows is then the end by TIMEOUT.
    fn watch_peers(&self, state: &State, steps: &mut Vec<Step>) {
        for program in [PREMISE, CONCLUSION] {
            let (side, peer) = (&state.sides[program], &state.sides[1 - program]);
            if !side.has_ended() && peer.has_ended() {
                steps.push(Looks(program));
                if side.phase == Receives && state.queue.is_empty() && side.rounds_since.is_some() {
                    steps.push(Polls(program));
                }
            }
        }
    }

    /// All that the intruder can do now.
    fn intrude(&self, state: &State, steps: &mut Vec<Step>) {
        let old: BTreeSet<String> = state.sides.iter().flat_map(|side| side.log.clone()).collect();
        let mut texts = BTreeSet::from(["spam".to_string(), String::new(), answer_to("wrong")]);
        texts.extend(old.clone());
        if self.calculates {
            texts.extend(old.iter().map(|message| answer_to(message)));
        }
        let mut put = |act, places: Range<usize>, text: Option<String>| {
            let mut queue = state.queue.clone();
            queue.splice(places, text);
            steps.push(Intrudes(act, queue));
        };
        for text in &texts {
            let act = match (state.queue.contains(text), old.contains(text)) {
                (true, _) => "doubled",
                (false, true) => "an old one added",
                (false, false) => "a foreign one added",
            };
            (0..=state.queue.len()).for_each(|place| put(act, place..place, Some(text.clone())));
        }
        for (place, queued) in state.queue.iter().enumerate() {
            put("lost", place..place + 1, None);
            let mut flipped = queued.clone().into_bytes();
            flipped.iter_mut().take(1).for_each(|byte| *byte ^= 4);
            let headless: String = queued.chars().skip(1).collect();
            let tailless: String = queued.chars().take(headless.len()).collect();
            let mut instead = texts.clone();
            instead.extend([text(&flipped), headless, tailless, format!("{queued}x")]);
            instead.remove(queued);
            for text in instead {
                let act = if old.contains(&text) { "old one instead" } else { "changed" };
                put(act, place..place + 1, Some(text));
            }
        }
        if state.queue.len() > 1 {
            let reversed = state.queue.iter().rev().cloned().collect();
            steps.push(Intrudes("all reversed", reversed));
        }
    }

    /// Asserts what must hold in every state.
    fn assert_invariants(&self, state: &State) {
        let [premise, conclusion] = &state.sides;
        for side in &state.sides {
            let is_verified = side.log.windows(2).all(|pair| pair[1] == answer_to(&pair[0]))
                && side.log.len().max(side.dialogue.replies as usize) <= self.chain.len();
            assert!(is_verified, "an answer to what was not verified: {state:#?}");
        }
        if premise.phase == Done {
            assert!(self.went_well(premise), "premise is done, and wrong: {state:#?}");
            let is_right = self.calculates || state.are_both_done() && self.went_well(conclusion);
            assert!(is_right, "premise is done, and conclusion is wrong: {state:#?}");
        }
        if conclusion.phase == Done && self.chain.len() > 3 && !self.calculates {
            assert!(self.went_well(conclusion), "conclusion is done, and wrong: {state:#?}");
        }
        if self.begin.acts == 0 {
            assert!(state.queue.len() <= 1, "two messages are in flight: {state:#?}");
            let is_stopped = |side: &Side| matches!(side.phase, Corrupted | Silent | Bereaved);
            assert!(!state.sides.iter().any(is_stopped), "stopped without a reason: {state:#?}");
            let last_answer = &self.chain[self.chain.len() - 1..];
            assert!(!state.has_ended() || state.queue == last_answer, "left behind: {state:#?}");
        }
    }

    /// All states that can be reached from `begin`.
    fn reach(&self, begin: Vec<State>) -> Graph {
        let mut ahead: Vec<_> = begin.into_iter().map(Rc::new).collect();
        let mut graph: Graph = ahead.iter().map(|state| (state.clone(), Vec::new())).collect();
        while let Some(state) = ahead.pop() {
            self.assert_invariants(&state);
            for next in self.steps(&state).iter().map(|step| Rc::new(state.after(step))) {
                if !graph.contains_key(&next) {
                    ahead.push(next.clone());
                }
                graph.entry(next).or_default().push(state.clone());
            }
        }
        graph
    }

    /// Asserts the invariants, and that an end can be reached from everywhere. Returns how many
    /// states there are.
    fn check(&self) -> usize {
        let graph = self.reach(vec![self.begin.clone()]);
        assert!(graph.keys().any(|state| state.are_both_done()));
        // Searched backwards from all ends. There are circles: a message may be received again
        // and again, until the scheduler lets the peer run.
        let mut ahead: Vec<_> = graph.keys().filter(|state| state.has_ended()).collect();
        let mut can_end = HashSet::new();
        while let Some(state) = ahead.pop() {
            if can_end.insert(state) {
                ahead.extend(&graph[state]);
            }
        }
        assert_eq!(can_end.len(), graph.len());
        graph.len()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("ASCII")
}

fn answer_to(message: &str) -> String {
    text(&md5_hex(message.as_bytes()))
}

#[test]
fn left_alone_both_programs_finish_in_every_order() {
    for iterations in 1..=10 {
        let states = Conversation::new(iterations, 0).check();
        assert!(states > 6 * iterations, "only {states} states");
    }
}

#[test]
fn no_intruder_leaves_premise_done_with_anything_wrong() {
    for (acts, up_to, at_least) in [(1, 8, 5_000), (2, 3, 10_000), (3, 2, 50_000)] {
        let states = (1..=up_to).map(|iterations| Conversation::new(iterations, acts).check());
        let states: usize = states.sum();
        assert!(states > at_least, "only {states} states with {acts} acts");
    }
}

/// The column of the tables.
fn moment(conversation: &Conversation, state: &State) -> &'static str {
    let [premise, conclusion] = &state.sides;
    let said = premise.log.len().div_ceil(2) + conclusion.log.len() / 2;
    match conversation.chain.len().saturating_sub(said) {
        0 => "over",
        1 if premise.phase == Sends => "checked",
        1 => "reply",
        _ if said == 0 => "nothing",
        _ if said == 1 => "first",
        2 => "last",
        _ => "middle",
    }
}

/// The end of both programs, as it is in a cell of the tables.
fn end(conversation: &Conversation, state: &State) -> String {
    let [premise, conclusion] = state.sides.each_ref().map(|side| format!("{:?}", side.phase));
    let is_misled = state.sides[1].log.first().is_some_and(|first| *first != conversation.chain[0]);
    format!("{}{}{}", &premise[..1], &conclusion[..1], if is_misled { "!" } else { "" })
}

/// The cell of the tables: all ends to which these states lead.
fn ends(conversation: &Conversation, begin: Vec<State>) -> String {
    let states = conversation.reach(begin);
    let ends = states.keys().filter(|state| state.has_ended());
    let ends: BTreeSet<_> = ends.map(|state| end(conversation, state)).collect();
    ends.into_iter().collect::<Vec<_>>().join(" ")
}

/// The table for so many iterations, in the order of rows and columns of TABLE.
fn table(iterations: usize) -> String {
    let conversation = Conversation::new(iterations, 1);
    let mut after = BTreeMap::<_, Vec<State>>::new();
    let states = conversation.reach(vec![conversation.begin.clone()]);
    for state in states.keys().filter(|state| state.acts == 1) {
        for step in conversation.steps(state) {
            if let Intrudes(act, _) = step {
                let cell = (act, moment(&conversation, state));
                after.entry(cell).or_default().push(state.after(&step));
            }
        }
    }
    let mut lines = TABLE.lines().skip(1);
    let header = lines.next().unwrap();
    let mut table = format!("\n{header}\n");
    for act in lines.map(|line| line.split(" |").next().unwrap().trim_end()) {
        table += &format!("{act:19}");
        for moment in header.split('|').skip(1).map(str::trim) {
            let begin = after.remove(&(act, moment));
            let cell = begin.map_or("-".to_string(), |begin| ends(&conversation, begin));
            table += &format!(" | {cell:9}");
        }
        table.truncate(table.trim_end().len());
        table += "\n";
    }
    assert!(after.is_empty(), "not in the table: {:?}", after.keys());
    table
}

#[test]
fn what_follows_each_act_of_an_intruder_is_in_the_tables() {
    for iterations in 1..=6 {
        let table = table(iterations);
        let expected = match iterations {
            1 => TABLE_OF_ONE_ITERATION,
            2 => &table, // it has no middle
            _ => TABLE,
        };
        assert!(table == expected, "{iterations} iterations: {table}");
        // Premise is never done after an act before its check of the queue.
        for row in table.lines().skip(2) {
            let before = row.rsplitn(3, '|').last().unwrap();
            assert!(!before.contains(" D"), "{iterations} iterations: {row}");
        }
    }
}

#[test]
fn an_intruder_that_calculates_md5_can_answer_in_conclusions_place() {
    for iterations in 1..=3 {
        let conversation = Conversation { calculates: true, ..Conversation::new(iterations, 1) };
        conversation.check();

        // It takes premise's first message away and answers it. Then conclusion comes and takes the
        // second message for the first; to the end it is a message ahead.
        let mut steps =
            vec![Calls(PREMISE), Intrudes("changed", vec![conversation.chain[1].clone()])];
        for is_last in (1..=iterations).map(|iteration| iteration == iterations) {
            steps.extend([Calls(PREMISE), Calls(PREMISE)]);
            steps.extend(is_last.then_some(Calls(PREMISE))); // checks the queue before it sends
            steps.extend([Calls(CONCLUSION), Calls(CONCLUSION)]);
        }
        let end = steps.iter().fold(conversation.begin.clone(), |state, step| {
            assert!(conversation.steps(&state).contains(step), "{step:?}: {state:#?}");
            state.after(step)
        });
        assert!(end.are_both_done() && !conversation.went_well(&end.sides[1]), "{end:#?}");
    }
}
