//! A model check: two real [`Dialogue`]s and one queue, in every order in which
//! their calls can come, with and without an intruder.
//!
//! Tests of whole programs see the orders that the scheduler happens to choose;
//! `stateright` goes through all of them. A step is one call on the queue: a
//! receive that takes the first message, or a send that appends one. (A poll that
//! finds nothing changes nothing and is no step.) What `Conversation::talk` does
//! around a [`Dialogue`] is told again in [`Side::call`]. All is judged by a
//! record and an md5 of the test's own, not by what [`Dialogue`] thinks of it.
//!
//! Left alone, the two come to their end in every order, and never more than one
//! message is in flight, so that there are never two to be swapped, but for what an
//! intruder adds. Then there is that intruder, who at any moment may do one
//! thing to the queue: [`TABLE`] and [`TABLE_OF_ONE_ITERATION`] say exactly what
//! can come of it. If she copies and garbles as she likes, but calculates no md5:
//!
//! - Nobody answers a message that she has not verified, except Conclusion her
//!   first.
//! - Premise is never content after anything that was done before her last look.
//!   What is changed or too much stops her who takes it, be it the one or the
//!   other. For what is lost, and for one who has stopped, they wait in vain.
//! - A wrong first message is taken by Conclusion, if not by Premise before her.
//!   Then it is the answer to it that stops Premise.
//! - Conclusion may be content although Premise is not: with her last message she
//!   is done, and what becomes of that, or remains beside it, only Premise can see.
//!   Yet all that Conclusion has heard was right then, unless the only message was
//!   that first one.
//! - After the last look nothing is noticed: nobody hears Premise's last word, and
//!   what else comes goes down with the queue.
//!
//! Two or three such acts may undo each other, but if Premise is content, all that
//! both have heard was right. Not so if the intruder calculates md5: she can speak
//! in Conclusion's place, and nobody notices (the last test). md5 finds accidents,
//! not forgeries.
//!
//! Here is neither time nor an end of room: who waits in vain gives up, and nobody
//! before; and a message may be longer than the queue that Premise makes allows.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use Doing::{Corrupted, Done, HandsBack, Listens, LooksLast, Sends, Silent};
use Step::{Adds, Calls, Changes, GivesUp, Loses, Reorders};
use Who::{Conclusion, Premise};
use common::md5_hex;
use mq_sketch::dialogue::{Dialogue, Heard};
use mq_sketch::message::{DIGEST, LONGEST, Message};
use stateright::{Checker, Model, Property};

/// What comes of one act of an intruder, in a talk of at least three iterations.
///
/// The rows are what she does to the message on the queue, or adds to it. The
/// columns are when, by the newest message, whether it is still on the queue or
/// has been taken to be answered: nothing is said yet; Premise's first; one in the
/// middle; the last that Conclusion is to hear; her reply to it; the same, after
/// Premise has looked for the last time; Premise's last word.
///
/// In a cell are the possible ends, first of Premise, then of Conclusion: D done,
/// C corrupted (exit 1), S silent (exit 4: waits in vain). With `!`, the message
/// that Conclusion took first was a wrong one.
const TABLE: &str = "
                      | nothing   | first     | middle    | last      | reply     | looked    | last word
loses it              | -         | SS        | SS        | SS        | SD        | -         | DD
changes it            | -         | CS CS!    | CS SC     | CS SC     | CD        | -         | DD
puts an old one there | -         | -         | CS SC     | CS SC     | CD SD     | -         | DD
doubles it            | -         | CS SC     | CD CS SC  | CD        | CD        | -         | DD
adds an old one       | -         | CS SC     | CD CS SC  | CD SC     | CD        | DD        | DD
adds a foreign one    | CC! CS    | CC! CS SC | CD CS SC  | CD SC     | CD        | DD        | DD
";

/// The same with a single iteration: Premise's first message is the only one that
/// Conclusion hears.
const TABLE_OF_ONE_ITERATION: &str = "
                      | nothing   | first     | middle    | last      | reply     | looked    | last word
loses it              | -         | SS        | -         | -         | SD        | -         | DD
changes it            | -         | CD! CS    | -         | -         | CD        | -         | DD
puts an old one there | -         | -         | -         | -         | SD        | -         | DD
doubles it            | -         | CD        | -         | -         | CD        | -         | DD
adds an old one       | -         | CD        | -         | -         | CD        | DD        | DD
adds a foreign one    | CD CD!    | CD CD!    | -         | -         | CD        | DD        | DD
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Premise,
    Conclusion,
}

/// What a side does next, or how she has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Doing {
    Sends,
    Listens,
    /// Has received this, and takes it for her own.
    HandsBack(String),
    /// Premise, between the last reply and her last word.
    LooksLast,
    Done,
    Corrupted,
    Silent,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Side {
    dialogue: Dialogue,
    doing: Doing,
    /// What she has said and what she has taken for a reply, in turn.
    log: Vec<String>,
}

impl Side {
    fn new(dialogue: Dialogue) -> Side {
        let doing = if dialogue.is_premise() { Sends } else { Listens };
        Side { dialogue, doing, log: Vec::new() }
    }

    /// Her next call on the queue, and what she does until the one after it.
    fn call(&mut self, queue: &mut Vec<String>) {
        let own = text(self.dialogue.own().text());
        self.doing = match self.doing {
            Sends => {
                queue.push(own.clone());
                self.log.push(own);
                if self.dialogue.is_over() {
                    Done
                } else {
                    self.dialogue.sent(&mut [0; LONGEST]);
                    Listens
                }
            }
            Listens => {
                let message = queue.remove(0);
                match self.dialogue.hear(message.as_bytes()) {
                    Heard::Reply => {
                        self.log.push(message);
                        if self.dialogue.must_look_once_more() { LooksLast } else { Sends }
                    }
                    Heard::Own => HandsBack(message),
                    Heard::Foreign => Corrupted,
                }
            }
            HandsBack(_) => {
                queue.push(own);
                Listens
            }
            LooksLast if queue.is_empty() => Sends,
            LooksLast => {
                queue.remove(0);
                Corrupted
            }
            Done | Corrupted | Silent => unreachable!("she has ended"),
        };
    }

    fn has_ended(&self) -> bool {
        matches!(self.doing, Done | Corrupted | Silent)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Premise, Conclusion.
    sides: [Side; 2],
    queue: Vec<String>,
    /// How often the intruder will still act.
    acts: usize,
}

impl State {
    fn can_call(&self, who: Who) -> bool {
        let side = &self.sides[who as usize];
        !side.has_ended() && (side.doing != Listens || !self.queue.is_empty())
    }

    /// She waits in vain: the other has ended or waits too, and what there is on the
    /// queue is her own, to be handed back for ever. Then TIMEOUT ends it.
    fn can_only_give_up(&self, who: Who) -> bool {
        let (side, other) = (&self.sides[who as usize], &self.sides[1 - who as usize]);
        side.doing == Listens
            && (other.has_ended() || other.doing == Listens && self.queue.is_empty())
            && self.queue.iter().all(|message| side.log.last() == Some(message))
    }

    fn has_ended(&self) -> bool {
        self.sides.iter().all(Side::has_ended)
    }

    fn are_both_done(&self) -> bool {
        self.sides.iter().all(|side| side.doing == Done)
    }

    /// The messages of the talk so far, as the intruder has seen them.
    fn seen(&self) -> impl Iterator<Item = &String> {
        self.sides.iter().flat_map(|side| &side.log)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Calls(Who),
    GivesUp(Who),
    // The intruder's, with a place on the queue.
    Loses(usize),
    Changes(usize, String),
    Adds(usize, String),
    Reorders,
}

#[derive(Clone)]
struct Talk {
    /// What is said if all goes well, from the first message to the last word.
    chain: Vec<String>,
    begin: Vec<State>,
    acts: usize,
    /// The intruder knows what the answers are.
    calculates: bool,
}

impl Talk {
    fn new(iterations: usize, acts: usize) -> Talk {
        let first = Message::time(1_795_390_920);
        let mut chain = vec![text(first.text())];
        for said in 0..2 * iterations {
            chain.push(answer_to(&chain[said]));
        }
        let premise = Dialogue::premise(first, iterations as u64, DIGEST);
        let conclusion = Dialogue::conclusion(iterations as u64, DIGEST);
        let sides = [Side::new(premise), Side::new(conclusion)];
        let begin = vec![State { sides, queue: Vec::new(), acts }];
        Talk { chain, begin, acts, calculates: false }
    }

    /// She has heard and said all that she had to, and nothing else.
    fn went_well(&self, side: &Side) -> bool {
        // Conclusion does not hear the last word.
        let length = self.chain.len() - usize::from(!side.dialogue.is_premise());
        side.log == self.chain[..length] && side.dialogue.heard() == self.chain.len() as u64 / 2
    }

    /// All that the intruder may do now.
    fn intrusions(&self, state: &State, steps: &mut Vec<Step>) {
        let mut words = BTreeSet::from(["spam".to_string(), String::new(), answer_to("wrong")]);
        words.extend(state.seen().cloned());
        if self.calculates {
            words.extend(state.seen().map(|message| answer_to(message)));
        }
        for place in 0..=state.queue.len() {
            steps.extend(words.iter().map(|word| Adds(place, word.clone())));
        }
        for (place, queued) in state.queue.iter().enumerate() {
            let mut flipped = queued.clone().into_bytes();
            flipped.iter_mut().take(1).for_each(|byte| *byte ^= 4);
            let headless: String = queued.chars().skip(1).collect();
            let tailless: String = queued.chars().take(headless.len()).collect();
            let mut instead = words.clone();
            instead.extend([text(&flipped), headless, tailless, format!("{queued}x")]);
            instead.remove(queued);
            steps.extend(instead.into_iter().map(|word| Changes(place, word)));
            steps.push(Loses(place));
        }
        if state.queue.len() > 1 {
            steps.push(Reorders);
        }
    }
}

const VERIFIED: &str = "nobody answers what she has not verified";
const PREMISE: &str = "if Premise is content, all went well for her";
const ALL: &str = "if Premise is content, all went well for both";

impl Model for Talk {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        self.begin.clone()
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        // With a broken Dialogue the talk could go on for ever, and so would the test.
        let end = self.chain.len();
        let is_beyond = |side: &Side| side.log.len().max(side.dialogue.heard() as usize) > end;
        if state.sides.iter().any(is_beyond) {
            return;
        }
        for who in [Premise, Conclusion] {
            steps.extend(state.can_call(who).then_some(Calls(who)));
            steps.extend(state.can_only_give_up(who).then_some(GivesUp(who)));
        }
        if state.acts > 0 {
            self.intrusions(state, steps);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        next.acts -= usize::from(!matches!(step, Calls(_) | GivesUp(_)));
        match step {
            Calls(who) => next.sides[who as usize].call(&mut next.queue),
            GivesUp(who) => next.sides[who as usize].doing = Silent,
            Loses(place) => drop(next.queue.remove(place)),
            Changes(place, word) => next.queue[place] = word,
            Adds(place, word) => next.queue.insert(place, word),
            Reorders => next.queue.reverse(),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Talk>> {
        let always = Property::<Talk>::always;
        vec![
            always(VERIFIED, |talk, state| {
                state.sides.iter().all(|side| {
                    let is_own = |message| side.log.last() == Some(message);
                    side.log.windows(2).all(|pair| pair[1] == answer_to(&pair[0]))
                        && side.log.len() <= talk.chain.len()
                        && !matches!(&side.doing, HandsBack(message) if !is_own(message))
                })
            }),
            always(PREMISE, |talk, state| {
                state.sides[0].doing != Done || talk.went_well(&state.sides[0])
            }),
            always(ALL, |talk, state| {
                state.sides[0].doing != Done
                    || state.are_both_done() && state.sides.iter().all(|side| talk.went_well(side))
            }),
            always("if Conclusion is, after more than one message, for her", |talk, state| {
                let is_content = state.sides[1].doing == Done && talk.chain.len() > 3;
                !is_content || talk.went_well(&state.sides[1])
            }),
            always("left alone, at most one message is in flight", |talk, state| {
                talk.acts > 0 || state.queue.len() <= 1
            }),
            always("left alone, nobody gives up or finds anything wrong", |talk, state| {
                let is_stopped = |side: &Side| matches!(side.doing, Corrupted | Silent);
                talk.acts > 0 || !state.sides.iter().any(is_stopped)
            }),
            always("left alone, the last word is what remains", |talk, state| {
                let last_word = &talk.chain[talk.chain.len() - 1..];
                talk.acts > 0 || !state.has_ended() || state.queue == last_word
            }),
            Property::<Talk>::sometimes("both are content", |_, state| state.are_both_done()),
        ]
    }
}

/// All states that can be reached, and for each those from which it is one step.
fn reach(talk: &Talk) -> HashMap<Rc<State>, Vec<Rc<State>>> {
    let mut ahead: Vec<Rc<State>> = talk.init_states().into_iter().map(Rc::new).collect();
    let mut before: HashMap<_, Vec<_>> = HashMap::new();
    before.extend(ahead.iter().map(|state| (state.clone(), Vec::new())));
    while let Some(state) = ahead.pop() {
        for next in talk.next_states(&state).into_iter().map(Rc::new) {
            if !before.contains_key(&next) {
                ahead.push(next.clone());
            }
            before.entry(next).or_default().push(state.clone());
        }
    }
    before
}

/// Asserts the properties, and that from everywhere an end can be reached. Returns
/// how many states there are.
fn check(talk: &Talk) -> usize {
    let checker = talk.clone().checker().spawn_bfs().join();
    checker.assert_properties();

    // Searched backwards from all ends. The `eventually` of stateright does not serve
    // here, because it sees no circles: a message can be handed back again and again,
    // but that can be left, and in the end is, because each gets her turn.
    let before = reach(talk);
    let mut ahead: Vec<_> = before.keys().filter(|state| state.has_ended()).collect();
    let mut can_end = HashSet::new();
    while let Some(state) = ahead.pop() {
        if can_end.insert(state) {
            ahead.extend(&before[state]);
        }
    }
    assert_eq!(can_end.len(), before.len());
    assert_eq!(checker.unique_state_count(), before.len());
    before.len()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("ASCII")
}

fn answer_to(message: &str) -> String {
    text(&md5_hex(message.as_bytes()))
}

#[test]
fn left_alone_they_come_to_their_end_in_every_order() {
    for iterations in 1..=10 {
        let states = check(&Talk::new(iterations, 0));
        assert!(states > 6 * iterations, "only {states} states");
    }
}

#[test]
fn no_intruder_leaves_premise_content_with_anything_wrong() {
    for (acts, up_to, at_least) in [(1, 8, 5_000), (2, 3, 10_000), (3, 2, 50_000)] {
        let states: usize = (1..=up_to).map(|iterations| check(&Talk::new(iterations, acts))).sum();
        assert!(states > at_least, "only {states} states with {acts} acts");
    }
}

/// The row of the tables.
fn deed(step: &Step, state: &State) -> Option<&'static str> {
    let is_old = |word| state.seen().any(|seen| seen == word);
    match step {
        Loses(_) => Some("loses it"),
        Changes(_, word) if is_old(word) => Some("puts an old one there"),
        Changes(..) => Some("changes it"),
        Adds(_, word) if state.queue.contains(word) => Some("doubles it"),
        Adds(_, word) if is_old(word) => Some("adds an old one"),
        Adds(..) => Some("adds a foreign one"),
        Calls(_) | GivesUp(_) | Reorders => None,
    }
}

/// The column of the tables.
fn moment(talk: &Talk, state: &State) -> &'static str {
    let [premise, conclusion] = &state.sides;
    let said = premise.log.len().div_ceil(2) + conclusion.log.len() / 2;
    match talk.chain.len().saturating_sub(said) {
        0 => "last word",
        1 if premise.doing == Sends => "looked",
        1 => "reply",
        _ if said == 0 => "nothing",
        _ if said == 1 => "first",
        2 => "last",
        _ => "middle",
    }
}

/// The cell of the tables: all ends to which these states lead.
fn ends(talk: &Talk, begin: Vec<State>) -> String {
    let states = reach(&Talk { begin, ..talk.clone() });
    let ends = states.keys().filter(|state| state.has_ended()).map(|state| {
        let letter = |side: &Side| format!("{:?}", side.doing)[..1].to_string();
        let is_misled = state.sides[1].log.first().is_some_and(|first| *first != talk.chain[0]);
        let mark = if is_misled { "!" } else { "" };
        format!("{}{}{mark}", letter(&state.sides[0]), letter(&state.sides[1]))
    });
    ends.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

/// The table for so many iterations, in the order of rows and columns of TABLE.
fn table(iterations: usize) -> String {
    let talk = Talk::new(iterations, 1);
    let mut after = BTreeMap::<_, Vec<State>>::new();
    for state in reach(&talk).into_keys().filter(|state| state.acts == 1) {
        for (step, next) in talk.next_steps(&state) {
            if let Some(deed) = deed(&step, &state) {
                after.entry((deed, moment(&talk, &state))).or_default().push(next);
            }
        }
    }
    let mut lines = TABLE.lines().skip(1);
    let header = lines.next().unwrap();
    let mut table = format!("\n{header}\n");
    for deed in lines.map(|line| line.split(" |").next().unwrap().trim_end()) {
        table += &format!("{deed:21}");
        for moment in header.split('|').skip(1).map(str::trim) {
            let begin = after.remove(&(deed, moment));
            let cell = begin.map_or("-".to_string(), |begin| ends(&talk, begin));
            table += &format!(" | {cell:9}");
        }
        table.truncate(table.trim_end().len());
        table += "\n";
    }
    assert!(after.is_empty(), "not in the table: {:?}", after.keys());
    table
}

#[test]
fn who_notices_what_an_intruder_does_is_as_in_the_tables() {
    for iterations in [1, 3, 4, 5, 6] {
        let expected = if iterations == 1 { TABLE_OF_ONE_ITERATION } else { TABLE };
        let table = table(iterations);
        assert!(table == expected, "{iterations} iterations: {table}");
    }
}

#[test]
fn premise_is_never_content_after_anything_done_before_her_last_look() {
    for iterations in 1..=6 {
        for row in table(iterations).lines().skip(2) {
            let before = row.rsplitn(3, '|').last().unwrap();
            assert!(!before.contains(" D"), "{iterations} iterations: {row}");
        }
    }
}

#[test]
fn one_who_calculates_md5_can_answer_in_conclusions_place() {
    for iterations in 1..=3 {
        let talk = Talk { calculates: true, ..Talk::new(iterations, 1) };
        let checker = talk.clone().checker().spawn_bfs().join();
        checker.assert_no_discovery(VERIFIED);
        checker.assert_no_discovery(PREMISE);

        // She takes Premise's first message away and answers it. Then Conclusion comes
        // and takes the second for the first; to the end she is a message ahead.
        let mut steps = vec![Calls(Premise), Changes(0, talk.chain[1].clone())];
        for is_last in (1..=iterations).map(|iteration| iteration == iterations) {
            steps.extend([Calls(Premise), Calls(Premise)]);
            steps.extend(is_last.then_some(Calls(Premise))); // looks before she sends
            steps.extend([Calls(Conclusion), Calls(Conclusion)]);
        }
        checker.assert_discovery(ALL, steps);
    }
}
