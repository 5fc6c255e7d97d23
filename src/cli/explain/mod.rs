//! `apt-quorum explain`: the whole judgement on one package.

mod advice;
mod builds;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::args::Explain;
use super::files::{is_file, name_and_version};
use super::judging::Court;
use super::output::json;
use super::world::{Stop, say, say_remarks, show};
use super::{Exit, simulate};
use crate::attest::Claim;
use crate::audit::{self, Audited, RecordedPackage, System};
use crate::config::Config;
use crate::evidence::about;
use crate::gate::{Ask, Assessed, Candidate, Gatherer, Installing, Judged, Look};
use crate::policy::{Assessment, Decision, Exemption, Mode, Reason, Report};
use crate::receipt::Admitted;
use crate::report::{Entrance, Record, RecordedAssessment};
use crate::types::{Called, Identity, PackageName, RebuilderName, Timestamp, printable};
use builds::BuildsAtEndpoint;

/// A package and what is known about it, by where it is.
enum ExplainedCase {
    Installed(Box<Audited>),
    /// A package that apt would install
    Listed(Box<Assessed>),
    File(Box<Judged>),
}

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct Explanations {
    schema: u32,
    mode: &'static str,
    packages: Vec<Explanation>,
}

#[derive(Serialize)]
struct Explanation {
    #[serde(flatten)]
    case: RecordedCase,
    /// The administrator's reason for the rule that matched
    rule_reason: Option<String>,
    /// The attestations about it, and since when each is known
    answers: Vec<AttestedAnswer>,
    /// The builds at each rebuilderd, which no signature covers
    builds: Vec<BuildsAtEndpoint>,
    /// The time and basis of root's decision to let this very file in
    receipt: Option<ExplainedReceipt>,
    /// Advice for people on how it could pass; empty if it does
    to_pass: Vec<String>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum RecordedCase {
    Installed(Box<RecordedPackage>),
    Listed(Box<RecordedAssessment>),
    File(Box<Record>),
}

#[derive(Serialize)]
struct ExplainedReceipt {
    time: Timestamp,
    basis: String,
    attestations: usize,
}

/// A rebuilder's attestation, whatever its content.
#[derive(Serialize)]
struct AttestedAnswer {
    rebuilder: RebuilderName,
    /// The id of its key, as claims have it
    key: String,
    /// The file of the configuration that has the key
    key_file: Option<String>,
    /// The time at which it was made, as the signed bytes say
    dated: Option<Timestamp>,
    /// The time since which it is in the cache here; no signature covers that
    kept_since: Option<Timestamp>,
}

/// A package as the command line names it: `NAME[:ARCH][=VERSION]`.
///
/// An installed package can have a version that is not valid by dpkg's own rules.
struct WantedPackage {
    name: PackageName,
    architecture: Option<String>,
    version: Option<String>,
}

/// The command at work.
struct Explaining<'a> {
    court: &'a Court,
    config: &'a Config,
    now: Timestamp,
}

pub(super) fn run(arguments: &Explain) -> Result<Exit, Stop> {
    let court = Court::open(&arguments.judging)?.that_tells_signers();
    let (config, now) = (court.config()?, court.present());
    let explaining = Explaining { court: &court, config, now };
    let cases = explaining.cases(&arguments.what, &mut *court.gatherer()?)?;
    let explained: BTreeSet<&Identity> = cases.iter().filter_map(ExplainedCase::identity).collect();
    let admitted =
        System::running(&court.apt).and_then(|it| it.admitted(|it| explained.contains(it)));
    let admitted = admitted.unwrap_or_default().into_iter().map(|(of, (_, it))| (of, it)).collect();
    say_remarks(&court.gate);
    let exit = exit_code(&cases, config);
    if arguments.judging.json {
        let packages = cases.iter().map(|it| explaining.recorded(it, &admitted)).collect();
        let mode = super::mode::word(config.policy.mode());
        return Ok(say(&json(&Explanations { schema: 1, mode, packages }), exit));
    }
    let text_of = |it: &ExplainedCase| {
        let answers = explaining.answers(it);
        let builds = builds::of(&explaining, it, &answers);
        text::of(it, config, &answers, &builds, receipt_of(it, &admitted), now)
    };
    let texts: Vec<String> = cases.iter().map(text_of).collect();
    Ok(show(&texts.join("\n"), exit))
}

impl Explaining<'_> {
    fn cases(&self, what: &str, gatherer: &mut dyn Gatherer) -> Result<Vec<ExplainedCase>, Stop> {
        if is_file(what) {
            return Ok(self.file(what, gatherer));
        }
        let wanted = read(what)?;
        let system = System::running(&self.court.apt).map_err(Stop::wrong)?;
        let is_it = |it: &Called| wanted.is(it);
        let audited = audit::audit(
            &system,
            &self.court.gate,
            &self.court.evidence,
            Ask::All,
            gatherer,
            self.now,
            |_, _| {},
            is_it,
        );
        let audited = audited.map_err(Stop::wrong)?;
        if !audited.is_empty() {
            return Ok(audited
                .into_iter()
                .map(|it| ExplainedCase::Installed(Box::new(it)))
                .collect());
        }
        let shown = printable(what).to_string();
        let simulated = simulate::installed_by(&["install", "--", what]).map_err(|why| {
            Stop::wrong(format!("{shown} is not installed, and apt-get says: {why}"))
        })?;
        let is_it = |it: &Identity| wanted.is(&Called::from(it.clone()));
        let packages: Vec<Identity> = simulated.packages.into_iter().filter(is_it).collect();
        let gate = &self.court.gate;
        let files = gate.files_of(&packages);
        let at_hand = |named: &crate::policy::Named| {
            let artifact = named.identity.artifact_name();
            self.court.evidence.iter().flat_map(|it| it.about(&artifact)).collect()
        };
        let assessed = gate.assess(files, at_hand, Ask::All, gatherer, self.now, |_| {});
        if assessed.is_empty() {
            let unhashed = gate.listed_without_hash(&packages);
            return Err(Stop::wrong(match unhashed.first() {
                Some(it) => format!(
                    "apt's index lists {it} without a SHA-256, so no exception by name or repository applies. Name its file: apt-quorum explain FILE"
                ),
                None => format!(
                    "{shown} is not installed, and no index of apt lists it with a SHA-256. Name its file: apt-quorum explain FILE"
                ),
            }));
        }
        Ok(assessed.into_iter().map(|it| ExplainedCase::Listed(Box::new(it))).collect())
    }

    fn file(&self, path: &str, gatherer: &mut dyn Gatherer) -> Vec<ExplainedCase> {
        let look =
            Look { evidence: &|it| about(&self.court.evidence, it), installing: Installing::No };
        let candidates = vec![Candidate { path: path.into(), requested: None }];
        let judged = self.court.gate.judge(candidates, look, gatherer, self.now, |_| {});
        judged.into_iter().map(|it| ExplainedCase::File(Box::new(it))).collect()
    }

    fn recorded(
        &self,
        case: &ExplainedCase,
        admitted: &BTreeMap<Identity, Admitted>,
    ) -> Explanation {
        let receipt = receipt_of(case, admitted).map(|it| ExplainedReceipt {
            time: it.time,
            basis: it.basis.clone(),
            attestations: it.claims.len(),
        });
        let answers = self.answers(case);
        let builds = builds::of(self, case, &answers);
        let rule_reason = case.report().and_then(|it| text::rule_reason(it, self.config));
        let to_pass = advice::of(case, self.config);
        let case = match case {
            ExplainedCase::Installed(it) => {
                RecordedCase::Installed(Box::new(RecordedPackage::of(it)))
            }
            ExplainedCase::Listed(it) => {
                let record = RecordedAssessment::of(&it.named, &it.assessment);
                RecordedCase::Listed(Box::new(record))
            }
            ExplainedCase::File(it) => {
                let digest = Some(self.config.digest);
                let record = Record::of(&it.decision, Entrance::Verify, &it.path, digest, self.now);
                RecordedCase::File(Box::new(Record { notes: it.notes.clone(), ..record }))
            }
        };
        Explanation { case, rule_reason, answers, builds, receipt, to_pass }
    }

    /// Returns the attestations about a package, for it and against it.
    fn answers(&self, case: &ExplainedCase) -> Vec<AttestedAnswer> {
        let Some(report) = case.report() else { return Vec::new() };
        let answer = |claim: &Claim| {
            let key = claim.key().key_id();
            let rebuilder = self.config.rebuilders.get(claim.rebuilder());
            let file = rebuilder.and_then(|it| it.keys.get(&key));
            AttestedAnswer {
                rebuilder: claim.rebuilder().clone(),
                key: key.as_str().to_owned(),
                key_file: file.map(|it| it.to_string_lossy().into_owned()),
                dated: claim.dated(),
                kept_since: self
                    .court
                    .gate
                    .cache()
                    .kept_since(claim.artifact(), claim.attestation()),
            }
        };
        report.votes.iter().chain(&report.conflicts).map(answer).collect()
    }
}

impl ExplainedCase {
    /// Returns its name, version and architecture, if they are known.
    fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Installed(it) => it.installed.identity(),
            Self::Listed(it) => Some(&it.named.identity),
            Self::File(it) => {
                it.decision.subject().and_then(|it| it.control().ok()).map(|it| &it.identity)
            }
        }
    }

    fn assessment(&self) -> Option<&Assessment> {
        match self {
            Self::Installed(it) => it.assessed.as_ref().map(|it| &it.assessment),
            Self::Listed(it) => Some(&it.assessment),
            Self::File(_) => None,
        }
    }

    /// Returns the report that the judgement rests on, if there is one.
    fn report(&self) -> Option<&Report> {
        match self {
            Self::File(it) => it.decision.report(),
            _ => self.assessment().map(Assessment::report),
        }
    }

    /// Returns the reason why no quorum confirms it; none if one does, or if that is not known.
    fn reason(&self) -> Option<&Reason> {
        match (self, self.assessment()) {
            (Self::File(it), _) => match &it.decision {
                Decision::Refuse(refusal) => Some(&refusal.reason),
                Decision::Admit(admit) => admit.basis().otherwise(),
            },
            (_, Some(Assessment::Excepted { otherwise, .. })) => Some(otherwise),
            (_, Some(Assessment::Unconfirmed { reason, .. })) => Some(reason),
            _ => None,
        }
    }

    /// Returns the exception that is in force.
    fn exception(&self) -> Option<&Exemption> {
        use crate::policy::Basis;

        match (self, self.assessment()) {
            (Self::File(it), _) => match &it.decision {
                Decision::Admit(admit) => match admit.basis() {
                    Basis::Exception { exemption, .. } => Some(exemption),
                    _ => None,
                },
                Decision::Refuse(_) => None,
            },
            (_, Some(Assessment::Excepted { exemption, .. })) => Some(exemption),
            _ => None,
        }
    }
}

/// Returns root's receipt for this very file.
fn receipt_of<'a>(
    case: &'a ExplainedCase,
    admitted: &'a BTreeMap<Identity, Admitted>,
) -> Option<&'a Admitted> {
    let sha256 = match case {
        ExplainedCase::Installed(it) => return it.admitted.as_ref(),
        ExplainedCase::Listed(it) => it.named.sha256,
        ExplainedCase::File(it) => it.decision.subject()?.sha256(),
    };
    admitted.get(case.identity()?).filter(|it| it.sha256 == sha256)
}

fn exit_code(cases: &[ExplainedCase], config: &Config) -> Exit {
    let is_open = |case: &&ExplainedCase| match case {
        ExplainedCase::File(it) => it.decision.refusal().is_some(),
        ExplainedCase::Installed(it) => it.is_open(),
        ExplainedCase::Listed(it) => {
            config.policy.mode() == Mode::Enforce
                && matches!(it.assessment, Assessment::Unconfirmed { .. })
        }
    };
    let is_transient =
        |it: &ExplainedCase| matches!(it.reason(), Some(Reason::CouldNotFindOut { .. }));
    Exit::of(cases.iter().filter(is_open).map(is_transient))
}

impl WantedPackage {
    fn is(&self, it: &Called) -> bool {
        self.name.as_str().eq_ignore_ascii_case(&it.package)
            && self.version.as_ref().is_none_or(|version| *version == it.version)
            && self.architecture.as_ref().is_none_or(|its| *its == it.architecture)
    }
}

fn read(what: &str) -> Result<WantedPackage, Stop> {
    let wrong = |why: &dyn std::fmt::Display| {
        Stop::wrong(format!(
            "{}: {why} (write NAME, NAME=VERSION or the path of a file).",
            printable(what)
        ))
    };
    let (name, version) = name_and_version(what);
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (name, None),
    };
    Ok(WantedPackage {
        name: name.parse().map_err(|why| wrong(&why))?,
        architecture: architecture.map(str::to_owned),
        version: version.map(str::to_owned),
    })
}
