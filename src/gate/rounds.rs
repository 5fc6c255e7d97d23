//! Working through many questions: some are under way at a time, and each is closed as soon as
//! everybody who was asked has answered.

use std::collections::BTreeMap;

use super::{Gatherer, Next};
use crate::evidence::{Found, Question};

/// Questions that are under way at the same time. More would have to be kept in memory with what
/// comes back; with fewer, endpoints could not be asked about many in few rounds.
const UNDER_WAY: usize = 512;

/// A question that is under way.
pub(super) trait Open {
    /// What becomes of it.
    type Closed;

    /// The endpoints that were asked and have not answered.
    fn asked(&self) -> Vec<usize>;

    /// Takes an answer, if that endpoint was asked.
    fn add(&mut self, endpoint: usize, found: Found);

    /// Waits no longer. Whoever has not answered could not be heard.
    fn close(self) -> Self::Closed;
}

/// Works through all questions, in their order. The iterator is asked for the next one only when
/// there is room for it. `progress` is told how many are done.
pub(super) fn work_through<P: Open>(
    questions: impl Iterator<Item = (Question, P)>,
    gatherer: &mut dyn Gatherer,
    mut progress: impl FnMut(usize),
) -> Vec<P::Closed> {
    let mut ahead = questions.enumerate();
    let mut open: BTreeMap<usize, P> = BTreeMap::new();
    let mut done: BTreeMap<usize, P::Closed> = BTreeMap::new();
    let mut ended = false;
    let mut all_begun = false;
    loop {
        while open.len() < UNDER_WAY && !all_begun {
            let Some((id, (question, begun))) = ahead.next() else {
                all_begun = true;
                break;
            };
            let asked = begun.asked();
            if asked.is_empty() || ended {
                done.insert(id, begun.close());
                continue;
            }
            gatherer.ask(u64::try_from(id).unwrap_or(u64::MAX), question, asked);
            open.insert(id, begun);
        }
        progress(done.len());
        if open.is_empty() {
            return done.into_values().collect();
        }
        match gatherer.next(None) {
            Next::Event(event) => {
                let id = usize::try_from(event.question).unwrap_or(usize::MAX);
                let Some(at) = open.get_mut(&id) else { continue };
                at.add(event.endpoint, event.found);
                if at.asked().is_empty() {
                    done.extend(open.remove(&id).map(|it| (id, it.close())));
                }
            }
            Next::NotYet => {}
            Next::Ended => {
                ended = true;
                let rest = std::mem::take(&mut open);
                done.extend(rest.into_iter().map(|(id, it)| (id, it.close())));
            }
        }
    }
}
