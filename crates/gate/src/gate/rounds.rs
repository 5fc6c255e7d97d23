//! The one loop that works through questions, for judgements, assessments and surveys: grace, bounds
//! and early decisions are here. Some questions are under way at a time, and each is closed as soon
//! as every asked endpoint has answered, or no answer could change its result.
//!
//! Only the method has another loop: it hears of its questions one by one, between messages of apt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::patience::TICK;
use super::{Gate, Gatherer, Inquiry, Next};
use crate::evidence::{Order, Question, QuestionId};
use crate::types::RebuilderName;

/// Questions that are under way at the same time. More would have to be kept in memory with their
/// answers; with fewer, asking endpoints about many would take more rounds.
const UNDER_WAY: usize = 512;

/// The purpose of a question, which an inquiry collects the evidence for.
pub trait Purpose {
    /// The result of it.
    type Reached;

    /// Looks at the evidence after each answer. Returns true when no outstanding answer could
    /// change the result.
    fn look(&mut self, inquiry: &mut Inquiry) -> bool;

    /// Returns the result by the present evidence.
    fn conclude(self, inquiry: Inquiry) -> Self::Reached;
}

/// The questions that are under way, and the results of the others.
struct Rounds<P: Purpose> {
    open: BTreeMap<usize, (Inquiry, P)>,
    /// Those of them that wait for an answer; the others would only get more information
    unsettled: BTreeSet<usize>,
    done: BTreeMap<usize, P::Reached>,
}

impl<P: Purpose> Rounds<P> {
    /// Closes a question that no endpoint may still answer. A question that is settled now is not
    /// waited for, and asked last.
    fn look_at(&mut self, id: usize, gatherer: &mut dyn Gatherer) {
        let Some((inquiry, purpose)) = self.open.get_mut(&id) else { return };
        if inquiry.is_complete() {
            let closed = self.open.remove(&id);
            self.done.extend(closed.map(|(inquiry, purpose)| (id, purpose.conclude(inquiry))));
            self.unsettled.remove(&id);
        } else if purpose.look(inquiry) && self.unsettled.remove(&id) {
            gatherer.take(Order::Settled { id: question_id(id) });
        }
    }

    fn awaited(&self) -> BTreeSet<RebuilderName> {
        let waiting = self.unsettled.iter().filter_map(|id| self.open.get(id));
        waiting.flat_map(|(inquiry, _)| inquiry.awaited()).cloned().collect()
    }

    fn close_all(mut self) -> Vec<P::Reached> {
        let open = self.open.into_iter();
        self.done.extend(open.map(|(id, (inquiry, purpose))| (id, purpose.conclude(inquiry))));
        self.done.into_values().collect()
    }
}

impl Gate {
    /// Works through all questions, in their order. Takes the next one from the iterator only when
    /// there is room for it. Settled questions may get more answers for as long as others are waited
    /// for, and for `grace`. `progress` is called with the number of finished questions.
    pub fn work_through<P: Purpose>(
        &self,
        questions: impl Iterator<Item = (Question, Inquiry, P)>,
        gatherer: &mut dyn Gatherer,
        grace: Duration,
        mut progress: impl FnMut(usize),
    ) -> Vec<P::Reached> {
        let mut patience = self.patience();
        let mut ahead = questions.enumerate();
        let mut rounds: Rounds<P> =
            Rounds { open: BTreeMap::new(), unsettled: BTreeSet::new(), done: BTreeMap::new() };
        let mut ended = false;
        let mut all_begun = false;
        let mut last = None;
        loop {
            let before = rounds.open.len() + rounds.done.len();
            while rounds.unsettled.len() < UNDER_WAY && !all_begun {
                let Some((id, (question, mut inquiry, purpose))) = ahead.next() else {
                    all_begun = true;
                    break;
                };
                inquiry.heed(&patience);
                if ended {
                    inquiry.give_up(ENDED);
                }
                let asked = inquiry.asked();
                if !asked.is_empty() {
                    let id = question_id(id);
                    gatherer.take(Order::Ask { id, question, endpoints: asked });
                }
                rounds.open.insert(id, (inquiry, purpose));
                rounds.unsettled.insert(id);
                rounds.look_at(id, gatherer);
            }
            let begun = rounds.done.len() + rounds.open.len();
            if all_begun && begun > before {
                gatherer.take(Order::Go);
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
                    let Some((inquiry, _)) = rounds.open.get_mut(&id) else { continue };
                    inquiry.add(event.endpoint, event.found);
                    rounds.look_at(id, gatherer);
                }
                Next::NotYet => {}
                Next::Ended => {
                    ended = true;
                    rounds.open.values_mut().for_each(|(it, _)| it.give_up(ENDED));
                    let open: Vec<usize> = rounds.open.keys().copied().collect();
                    open.into_iter().for_each(|id| rounds.look_at(id, gatherer));
                }
            }
            for (name, why) in patience.look(Instant::now(), || rounds.awaited()) {
                for id in rounds.unsettled.clone() {
                    if let Some((inquiry, _)) = rounds.open.get_mut(&id) {
                        inquiry.rest(&name, &why);
                    }
                    rounds.look_at(id, gatherer);
                }
            }
        }
    }
}

fn question_id(id: usize) -> QuestionId {
    QuestionId::try_from(id).unwrap_or(QuestionId::MAX)
}

/// The reason for which no endpoint answers any more.
const ENDED: &str = "the program that fetches evidence ended";
