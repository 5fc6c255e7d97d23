//! One listing instead of a search for each package, if that is cheaper.
//!
//! A rebuilderd can be asked for one package or for all of an architecture, and for nothing in
//! between. A public one has 180,000 records, and a large upgrade needs a hundredth of them. One
//! that rebuilds only the packages of a group of machines has hardly more records than they ask
//! about. So it is asked for the number of records. All of them are read if that is not much more
//! than the searches would bring.
//!
//! A record only tells where an attestation is, like the result of a search. It is kept for as long
//! as the process lives.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::v1::{BinaryPackage, PAGE, Page};
use super::{KnownRecord, Rebuilderd};
use crate::evidence::fetch::{Failure, Fetch};
use crate::policy::UnsignedStatus;
use crate::types::{Architecture, Identity};

/// Fewest questions for which a listing is considered: it takes two requests at least.
const FEWEST: usize = 4;

/// Most records that are read for each question. One has half a kilobyte, so a question costs less
/// than most packages do.
const FOR_EACH: usize = 32;

/// Most records that are read at all, so that they fit into memory.
const MOST: usize = 16_000;

/// The listings of an instance, by architecture.
#[derive(Default)]
pub(super) struct KnownListings(RefCell<BTreeMap<Architecture, ArchitectureListing>>);

#[derive(Default)]
struct ArchitectureListing {
    /// Questions that came so far
    questions: usize,
    state: ListingState,
}

#[derive(Default)]
enum ListingState {
    /// No question asked for it.
    #[default]
    Unknown,
    /// It is being read.
    Coming { since: Instant, patience: Duration, answered: bool, rows: Rows },
    /// All of it was read.
    Whole(Rows),
    /// It has so many records that searching is cheaper.
    TooLong(usize),
    /// It could not be read. Then packages are searched for.
    Failed,
}

/// The kept records, in the order of a hash of the package's name and version. If two packages
/// share a hash, each is looked for in the other's attestations as well, and not found there.
#[derive(Default)]
struct Rows(Vec<(u64, KnownRecord)>);

impl Rows {
    fn add(&mut self, records: impl Iterator<Item = (u64, KnownRecord)>) {
        self.0.extend(records);
        // Stable, and fast for what is mostly in order.
        self.0.sort_by_key(|(at, _)| *at);
    }

    fn about(&self, identity: &Identity) -> impl Iterator<Item = &KnownRecord> {
        let at = place(identity.package.as_str(), identity.version.as_str());
        let from = self.0.partition_point(|(other, _)| *other < at);
        let rest = self.0.get(from..).unwrap_or_default().iter();
        let same = rest.take_while(move |(other, _)| *other == at).take(super::MAX_RECORDS);
        same.map(|(_, known)| known)
    }

    fn is_good(&self, identity: &Identity) -> bool {
        self.about(identity).any(|it| it.status == UnsignedStatus::Good)
    }
}

fn place(package: &str, version: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (package, version).hash(&mut hasher);
    hasher.finish()
}

impl KnownListings {
    /// Returns the architectures whose listing is to be read, given the number of further questions
    /// about each. The listings count as being read from now on.
    pub(super) fn begin(
        &self,
        counts: &BTreeMap<Architecture, usize>,
        patience: Duration,
    ) -> Vec<Architecture> {
        let mut listings = self.0.borrow_mut();
        let mut begun = Vec::new();
        for (architecture, count) in counts {
            let listing = listings.entry(architecture.clone()).or_default();
            listing.questions = listing.questions.saturating_add(*count);
            let wanted = match listing.state {
                ListingState::Unknown => listing.questions >= FEWEST,
                ListingState::TooLong(records) => pays(records, listing.questions),
                _ => false,
            };
            if wanted {
                let (since, rows) = (Instant::now(), Rows::default());
                listing.state = ListingState::Coming { since, patience, answered: false, rows };
                begun.push(architecture.clone());
            }
        }
        begun
    }

    /// Returns true when no listing under way could tell where attestations about a package are.
    /// The first answer is awaited for the listing's `patience`, and the following ones as long as
    /// they come.
    pub(super) fn is_settled(&self, identity: &Identity) -> bool {
        match self.0.borrow().get(&identity.architecture).map(|it| &it.state) {
            Some(ListingState::Coming { since, patience, answered, rows }) => {
                // Another record can bring nothing more about a package that is GOOD in one.
                rows.is_good(identity) || (!answered && since.elapsed() >= *patience)
            }
            _ => true,
        }
    }

    /// Returns the records about a package; nothing if it must be searched for.
    pub(super) fn about(&self, identity: &Identity) -> Option<Vec<KnownRecord>> {
        let listings = self.0.borrow();
        match &listings.get(&identity.architecture)?.state {
            ListingState::Whole(rows) => Some(rows.about(identity).cloned().collect()),
            ListingState::Coming { rows, .. } if rows.is_good(identity) => {
                Some(rows.about(identity).cloned().collect())
            }
            _ => None,
        }
    }

    /// Notes the first answer, and returns true to continue.
    fn answered(&self, architecture: &Architecture, total: usize) -> bool {
        let mut listings = self.0.borrow_mut();
        let Some(listing) = listings.get_mut(architecture) else { return false };
        let go_on = pays(total, listing.questions);
        match &mut listing.state {
            ListingState::Coming { answered, .. } if go_on => *answered = true,
            state => *state = ListingState::TooLong(total),
        }
        go_on
    }

    fn add(&self, architecture: &Architecture, page: Vec<BinaryPackage>) {
        let mut listings = self.0.borrow_mut();
        let state = listings.get_mut(architecture).map(|it| &mut it.state);
        let Some(ListingState::Coming { rows, .. }) = state else { return };
        let own = page.iter().filter(|it| it.architecture == architecture.as_str());
        rows.add(own.map(|it| (place(&it.name, &it.version), KnownRecord::of(it))));
    }

    /// Ends a listing. An incomplete listing does not prove that a record is missing.
    fn end(&self, architecture: &Architecture, whole: bool) {
        let mut listings = self.0.borrow_mut();
        let Some(listing) = listings.get_mut(architecture) else { return };
        if let ListingState::Coming { rows, .. } = &mut listing.state {
            let rows = std::mem::take(rows);
            listing.state = if whole { ListingState::Whole(rows) } else { ListingState::Failed };
        }
    }
}

/// Returns true when so many records are worth reading for so many questions.
const fn pays(records: usize, questions: usize) -> bool {
    records <= MOST && records <= questions.saturating_mul(FOR_EACH)
}

/// Ends a listing when its future is dropped.
struct Ending<'a>(&'a KnownListings, &'a Architecture);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end(self.1, false);
    }
}

impl<D: Fetch> Rebuilderd<D> {
    /// Reads the listing of an architecture, if that is cheaper than searching. Calls `progress`
    /// for each further part.
    pub(super) async fn read_listing(
        self: Rc<Self>,
        architecture: Architecture,
        progress: Rc<dyn Fn()>,
    ) {
        {
            let _ending = Ending(&self.listings, &architecture);
            let whole = self.read_pages(&architecture, &*progress).await.unwrap_or(false);
            self.listings.end(&architecture, whole);
        }
        progress();
    }

    /// Reads the pages of a listing and returns true when all of them were read.
    async fn read_pages(
        &self,
        architecture: &Architecture,
        progress: &dyn Fn(),
    ) -> Result<bool, Failure> {
        let page = async |limit: usize, after: Option<u64>| {
            let (limit, after) = (limit.to_string(), after.map(|id| id.to_string()));
            let mut query = vec![("architecture", architecture.as_str()), ("limit", &limit)];
            query.extend(after.as_ref().map(|after| ("after", after.as_str())));
            self.json::<Page<BinaryPackage>>("v1/packages/binary", &query).await
        };
        let Some(first) = page(1, None).await? else { return Ok(false) };
        let total = usize::try_from(first.total).unwrap_or(usize::MAX);
        // A server without records may as well not support listings.
        if total == 0 {
            return Ok(false);
        }
        if !self.listings.answered(architecture, total) {
            return Ok(false);
        }
        let (mut seen, mut last) = (0_usize, None);
        // No more pages than full ones would be: a server that sends one record at a time is not
        // waited for.
        for _ in 0..=MOST / PAGE {
            let Some(page) = page(PAGE, last).await? else { return Ok(false) };
            let newest = page.records.iter().map(|it| it.id).max();
            seen = seen.saturating_add(page.records.len());
            let all = seen >= usize::try_from(page.total).unwrap_or(usize::MAX);
            self.listings.add(architecture, page.records);
            if all {
                return Ok(true);
            }
            // A server that does not advance has not sent all that it announced.
            if newest <= last {
                return Ok(false);
            }
            last = newest;
            progress();
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use reqwest::Url;

    use super::*;
    use crate::evidence::http::DoorError;

    /// A rebuilderd that announces `total` records, has those of `records`, and counts the
    /// requests.
    struct Instance {
        /// Most records of a page, whatever is asked for
        page: usize,
        total: usize,
        records: Vec<String>,
        asked: Rc<Cell<usize>>,
    }

    impl Fetch for Instance {
        async fn get(&self, url: Url, _: usize) -> Result<Option<Vec<u8>>, DoorError> {
            self.asked.set(self.asked.get() + 1);
            let number = |key: &str| {
                let value = url.query_pairs().find(|(name, _)| name == key);
                value.map_or(0, |(_, value)| value.parse().unwrap())
            };
            let page =
                self.records.iter().skip(number("after")).take(number("limit").min(self.page));
            let page: Vec<&str> = page.map(String::as_str).collect();
            Ok(Some(format!(r#"{{"total":{},"records":[{}]}}"#, self.total, page.join(",")).into()))
        }
    }

    fn identity(package: usize) -> Identity {
        Identity {
            package: format!("package{package}").parse().unwrap(),
            version: "1".parse().unwrap(),
            architecture: "all".parse().unwrap(),
        }
    }

    /// Returns the number of requests to an instance that has `records` records and announces
    /// `total`, after `questions` questions, and the instance itself.
    fn listed(records: usize, total: usize, questions: usize) -> (usize, Rc<Rebuilderd<Instance>>) {
        listed_by(PAGE, records, total, questions)
    }

    /// Makes the same instance, with `page` records a page and enough questions.
    fn dripping(page: usize, records: usize) -> (usize, Rc<Rebuilderd<Instance>>) {
        listed_by(page, records, records, records)
    }

    fn listed_by(
        page: usize,
        records: usize,
        total: usize,
        questions: usize,
    ) -> (usize, Rc<Rebuilderd<Instance>>) {
        let record = |n: usize| {
            format!(
                r#"{{"id":{},"name":"package{n}","version":"1","architecture":"all","status":"GOOD","build_id":1,"artifact_id":1}}"#,
                n + 1
            )
        };
        let asked = Rc::<Cell<usize>>::default();
        let records = (0..records).map(record).collect();
        let instance = Instance { page, total, records, asked: Rc::clone(&asked) };
        let instance = Rc::new(Rebuilderd::new("https://x.example/".parse().unwrap(), instance));
        let all = "all".parse().unwrap();
        let begun = instance.listings.begin(&[(all, questions)].into(), Duration::from_secs(1));
        for architecture in begun {
            assert!(!instance.listings.is_settled(&identity(0)), "it is waited for");
            let reading = Rc::clone(&instance).read_listing(architecture, Rc::new(|| {}));
            assert!(pin!(reading).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        assert!(instance.listings.is_settled(&identity(0)), "nothing is waited for any more");
        (asked.get(), instance)
    }

    fn known(instance: &Rebuilderd<Instance>, package: usize) -> Option<usize> {
        instance.listings.about(&identity(package)).map(|records| records.len())
    }

    #[test]
    fn a_short_listing_tells_what_there_is_and_what_there_is_not() {
        let (asked, instance) = listed(1200, 1200, 100);
        assert_eq!(asked, 1 + 3);
        assert_eq!((known(&instance, 1199), known(&instance, 1200)), (Some(1), Some(0)));
    }

    #[test]
    fn a_long_listing_and_one_for_few_questions_are_not_read() {
        for (records, questions, requests) in
            [(100, 3, 0), (100, 4, 1 + 1), (129, 4, 1), (20_000, 2000, 1)]
        {
            let (asked, instance) = listed(records, records, questions);
            assert_eq!(asked, requests, "{records} records, {questions} questions");
            assert_eq!(known(&instance, 0).is_some(), requests == 2);
        }
    }

    #[test]
    fn a_listing_that_breaks_off_does_not_tell_what_there_is_not() {
        let (asked, instance) = listed(700, 1500, 100);
        assert_eq!(asked, 1 + 3);
        assert_eq!((known(&instance, 0), known(&instance, 1400)), (None, None));
        let (asked, instance) = listed(0, 1500, 100);
        assert_eq!((asked, known(&instance, 0)), (1 + 1, None));
    }

    #[test]
    fn a_listing_that_comes_a_record_at_a_time_is_given_up() {
        let (asked, instance) = dripping(1, 10_000);
        assert_eq!((asked, known(&instance, 0)), (1 + MOST / PAGE + 1, None));
        let (asked, instance) = dripping(PAGE, 10_000);
        assert_eq!((asked, known(&instance, 0)), (1 + 20, Some(1)));
    }

    #[test]
    fn an_empty_listing_does_not_tell_that_there_is_nothing() {
        let (asked, instance) = listed(0, 0, 100);
        assert_eq!((asked, known(&instance, 0)), (1, None));
    }
}
