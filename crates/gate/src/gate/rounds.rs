//! Works through many questions. Some are under way at a time, and each is closed as soon as every
//! asked endpoint has answered, or no answer could change its result.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::patience::{Patience, TICK};
use super::{Gatherer, Next};
use crate::evidence::{Found, Question, QuestionId};
use crate::types::RebuilderName;

/// Questions that are under way at the same time. More would have to be kept in memory with their
/// answers; with fewer, asking endpoints about many would take more rounds.
const UNDER_WAY: usize = 512;

/// A question that is under way.
pub(super) trait Open {
    /// The result of it.
    type Closed;

    /// The endpoints that were asked and have not answered.
    fn asked(&self) -> Vec<usize>;

    /// Takes an answer, if that endpoint was asked.
    fn add(&mut self, endpoint: usize, found: Found);

    /// Returns true when no outstanding answer could change its result.
    fn settle(&mut self) -> bool;

    /// The rebuilders whose answers are awaited.
    fn awaited(&self) -> BTreeSet<RebuilderName>;

    /// Stops waiting for this rebuilder.
    fn rest(&mut self, rebuilder: &RebuilderName, why: &str);

    /// Notes that no endpoint can answer any more.
    fn give_up(&mut self, why: &str);

    /// Stops waiting and returns the result.
    fn close(self) -> Self::Closed;
}

/// The questions that are under way, and the results of the others.
struct Rounds<P: Open> {
    open: BTreeMap<usize, P>,
    /// Those of them that wait for an answer; the others would only get more information
    unsettled: BTreeSet<usize>,
    done: BTreeMap<usize, P::Closed>,
}

impl<P: Open> Rounds<P> {
    /// Closes a question that no endpoint may still answer. A question that is settled now is not
    /// waited for, and asked last.
    fn look_at(&mut self, id: usize, gatherer: &mut dyn Gatherer) {
        let Some(it) = self.open.get_mut(&id) else { return };
        if it.asked().is_empty() {
            self.done.extend(self.open.remove(&id).map(|it| (id, it.close())));
            self.unsettled.remove(&id);
        } else if it.settle() && self.unsettled.remove(&id) {
            gatherer.settled(question_id(id));
        }
    }

    fn awaited(&self) -> BTreeSet<RebuilderName> {
        let waiting = self.unsettled.iter().filter_map(|id| self.open.get(id));
        waiting.flat_map(Open::awaited).collect()
    }

    fn close_all(mut self) -> Vec<P::Closed> {
        self.done.extend(self.open.into_iter().map(|(id, it)| (id, it.close())));
        self.done.into_values().collect()
    }
}

/// Works through all questions, in their order. Takes the next one from the iterator only when
/// there is room for it. Settled questions may get more answers for as long as others are waited
/// for, and for `grace`. `progress` is called with the number of finished questions.
pub(super) fn work_through<P: Open>(
    questions: impl Iterator<Item = (Question, P)>,
    gatherer: &mut dyn Gatherer,
    patience: &mut Patience,
    grace: Duration,
    mut progress: impl FnMut(usize),
) -> Vec<P::Closed> {
    let mut ahead = questions.enumerate();
    let mut rounds: Rounds<P> =
        Rounds { open: BTreeMap::new(), unsettled: BTreeSet::new(), done: BTreeMap::new() };
    let mut ended = false;
    let mut all_begun = false;
    let mut last = None;
    loop {
        let before = rounds.open.len() + rounds.done.len();
        while rounds.unsettled.len() < UNDER_WAY && !all_begun {
            let Some((id, (question, mut begun))) = ahead.next() else {
                all_begun = true;
                break;
            };
            for name in begun.awaited() {
                if let Some(why) = patience.rests(&name) {
                    begun.rest(&name, &why);
                }
            }
            if ended {
                begun.give_up(ENDED);
            }
            let asked = begun.asked();
            if !asked.is_empty() {
                gatherer.ask(question_id(id), question, asked);
            }
            rounds.open.insert(id, begun);
            rounds.unsettled.insert(id);
            rounds.look_at(id, gatherer);
        }
        let begun = rounds.done.len() + rounds.open.len();
        if all_begun && begun > before {
            gatherer.go();
        }
        progress(begun.saturating_sub(rounds.unsettled.len()));
        let mut wait = TICK;
        if all_begun && rounds.unsettled.is_empty() {
            // All is decided; a rebuilder that is about to answer may still raise a conflict.
            let end = *last.get_or_insert_with(|| Instant::now() + grace);
            wait = end.saturating_duration_since(Instant::now());
            if rounds.open.is_empty() || wait.is_zero() {
                return rounds.close_all();
            }
        }
        match gatherer.next(Some(wait)) {
            Next::Event(event) => {
                let id = usize::try_from(event.question).unwrap_or(usize::MAX);
                let Some(at) = rounds.open.get_mut(&id) else { continue };
                at.add(event.endpoint, event.found);
                rounds.look_at(id, gatherer);
            }
            Next::NotYet => {}
            Next::Ended => {
                ended = true;
                rounds.open.values_mut().for_each(|it| it.give_up(ENDED));
                let open: Vec<usize> = rounds.open.keys().copied().collect();
                open.into_iter().for_each(|id| rounds.look_at(id, gatherer));
            }
        }
        for (name, why) in patience.look(Instant::now(), || rounds.awaited()) {
            for id in rounds.unsettled.clone() {
                if let Some(it) = rounds.open.get_mut(&id) {
                    it.rest(&name, &why);
                }
                rounds.look_at(id, gatherer);
            }
        }
    }
}

fn question_id(id: usize) -> QuestionId {
    QuestionId::try_from(id).unwrap_or(QuestionId::MAX)
}

/// The reason for which no endpoint answers any more.
const ENDED: &str = "the program that fetches evidence ended";
