//! What a judgement comes to.

use std::collections::BTreeMap;

use super::requirement::{GroupCount, Requirement};
use super::rule::{Exemption, Place};
use super::subject::Subject;
use crate::attest::Claim;
use crate::deb::DebError;
use crate::types::{Called, Identity, RebuilderName, Sha256Digest};

/// The decision on whether a file may pass.
#[derive(Debug, Clone)]
#[must_use = "a decision that is dropped decides nothing"]
pub enum Decision {
    /// It may.
    Admit(Admit),
    /// It may not.
    Refuse(Refusal),
}

/// A file may pass. Only [`super::decide()`] makes one: code that does not judge does not compile.
///
/// ```compile_fail,E0451
/// # use apt_quorum::policy::{Admit, Basis, Report, Subject};
/// fn let_it_pass(subject: Subject, report: Report) -> Admit {
///     Admit { subject, basis: Basis::Quorum, report }
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "an admission that is dropped admits nothing"]
pub struct Admit {
    pub(super) subject: Subject,
    pub(super) basis: Basis,
    pub(super) report: Report,
}

/// The basis of an admission.
#[derive(Debug, Clone)]
pub enum Basis {
    /// Enough rebuilders confirmed the file.
    Quorum,
    /// The administrator made an exception. Debt.
    Exception {
        /// The exception
        exemption: Exemption,
        /// The reason that the file would have been refused
        otherwise: Reason,
    },
    /// The mode is `warn`. Debt.
    WarnMode {
        /// The reason that the file would have been refused
        otherwise: Reason,
    },
}

/// A file may not pass.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The file, as far as it could be read
    pub subject: Option<Subject>,
    /// The reason
    pub reason: Reason,
    /// The report of the judgement, where there was one
    pub report: Option<Report>,
}

/// The assessment of a package whose file is not here ([`super::assess()`]).
#[derive(Debug, Clone)]
pub enum Assessment {
    /// Enough rebuilders confirm the file that it is said to be.
    Confirmed {
        /// The report that this rests on
        report: Report,
    },
    /// The administrator made an exception, which is in force.
    Excepted {
        /// The exception
        exemption: Exemption,
        /// The reason that the package would need it
        otherwise: Reason,
        /// The report that this rests on
        report: Report,
    },
    /// Neither.
    Unconfirmed {
        /// The reason
        reason: Reason,
        /// The report that this rests on
        report: Report,
    },
}

/// The reason that a file may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The policy cannot be used, so no file can pass.
    Configuration {
        /// The mistakes, for people; one line each
        why: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// The error, for people
        why: String,
    },
    /// There is no such file.
    Missing,
    /// Others than root could put another file in its place after it was judged.
    Changeable {
        /// The way in which they could
        why: String,
    },
    /// The file is no Debian package that can be judged.
    NotAPackage(DebError),
    /// The control data is not what apt or dpkg says it is installing.
    NotWhatWasAskedFor {
        /// The package that was asked for
        requested: Box<Called>,
        /// The package that the file is
        found: Box<Identity>,
    },
    /// A rebuilder signed a different file under this name, and the policy refuses such files.
    Conflict {
        /// The rebuilders that did
        rebuilders: Vec<RebuilderName>,
    },
    /// No rebuilder is configured, so none could confirm anything.
    NoRebuilders,
    /// Too few rebuilders confirm it, and all that count were heard.
    NotConfirmed {
        /// The number of rebuilders that confirm it
        confirmed: usize,
        /// The number of rebuilders that must confirm it
        needed: u32,
        /// The rebuilders that must be among them and are not
        missing: Vec<RebuilderName>,
        /// The groups from within which too few confirm it
        groups: Vec<GroupCount>,
    },
    /// Too few confirm it, but with the rebuilders that could not be heard it might be enough.
    CouldNotFindOut {
        /// The number of rebuilders that confirm it
        confirmed: usize,
        /// The number of rebuilders that must confirm it
        needed: u32,
        /// The rebuilders that could not be heard
        silent: Vec<RebuilderName>,
        /// The groups from within which too few confirm it
        groups: Vec<GroupCount>,
    },
}

/// The facts that a judgement rests on.
#[derive(Debug, Clone)]
pub struct Report {
    /// The place of the rule that matched, or none: the default holds
    pub rule: Option<Place>,
    /// The requirement of the rule; nothing if no rebuilder is configured
    pub requirement: Option<Requirement>,
    /// The standing of every rebuilder
    pub standings: BTreeMap<RebuilderName, Standing>,
    /// The claims that were votes
    pub votes: Vec<Claim>,
    /// The claims for the same name with another hash
    pub conflicts: Vec<Claim>,
    /// An exception that would apply had it not expired
    pub expired_exception: Option<Exemption>,
    /// An exception that would apply, if the index had a SHA-256 by which the file could be known
    pub unhashed_exception: Option<Exemption>,
}

/// The standing of a rebuilder on a file: the strongest of its answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Standing {
    /// It signed these bytes.
    Confirms,
    /// It signed other bytes under this name.
    SignedAnother {
        /// Their SHA-256
        sha256: Sha256Digest,
    },
    /// Its attestation makes no claim.
    Rejected {
        /// A short stable name of the reason
        code: String,
        /// The reason for people
        why: String,
    },
    /// It says so without signing it.
    Says {
        /// The unsigned status
        status: super::UnsignedStatus,
        /// A place where people can read more
        #[serde(skip_serializing_if = "Option::is_none")]
        more: Option<String>,
    },
    /// It does not know the package.
    Unknown,
    /// It could not be heard.
    Unreachable {
        /// The reason for people
        why: String,
    },
    /// It has not answered yet.
    Pending,
    /// It was not asked: it has no endpoint for this file, or network was not wanted.
    NotAsked,
}

/// Every file of a transaction was admitted, or there was none. Only this lets a whole
/// transaction pass.
///
/// ```compile_fail,E0451
/// # use apt_quorum::policy::{Admit, Clearance};
/// fn clear(admitted: Vec<Admit>) -> Clearance {
///     Clearance { admitted }
/// }
/// ```
#[derive(Debug)]
#[must_use = "a clearance that is dropped clears nothing"]
pub struct Clearance {
    admitted: Vec<Admit>,
}

impl Decision {
    /// The refusal, if it is one.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Admit(_) => None,
            Self::Refuse(refusal) => Some(refusal),
        }
    }

    /// The file, as far as it could be read.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Admit(admit) => Some(&admit.subject),
            Self::Refuse(refusal) => refusal.subject.as_ref(),
        }
    }

    /// The report of the judgement, where there was one.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match self {
            Self::Admit(admit) => Some(&admit.report),
            Self::Refuse(refusal) => refusal.report.as_ref(),
        }
    }
}

impl Admit {
    /// The file.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The file, for whom the admission is used up.
    #[must_use]
    pub fn into_subject(self) -> Subject {
        self.subject
    }

    /// The basis of the admission.
    #[must_use]
    pub const fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The report of the judgement.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}

impl Basis {
    /// The reason that the file would have been refused; `None` if a quorum confirms it.
    #[must_use]
    pub const fn otherwise(&self) -> Option<&Reason> {
        match self {
            Self::Quorum => None,
            Self::Exception { otherwise, .. } | Self::WarnMode { otherwise } => Some(otherwise),
        }
    }
}

impl Assessment {
    /// The report that the assessment rests on.
    #[must_use]
    pub const fn report(&self) -> &Report {
        match self {
            Self::Confirmed { report }
            | Self::Excepted { report, .. }
            | Self::Unconfirmed { report, .. } => report,
        }
    }
}

impl Refusal {
    /// A refusal that needed no judgement: without a policy, or without a file to judge.
    #[must_use]
    pub const fn unjudged(subject: Option<Subject>, reason: Reason) -> Self {
        Self { subject, reason, report: None }
    }

    /// Returns true when a later attempt may give another result.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.reason, Reason::CouldNotFindOut { .. })
    }
}

impl Reason {
    /// A short stable name for each reason, as receipts and JSON write it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Configuration { .. } => "configuration",
            Self::Unreadable { .. } => "unreadable",
            Self::Missing => "missing",
            Self::Changeable { .. } => "changeable",
            Self::NotAPackage(_) => "not-a-package",
            Self::NotWhatWasAskedFor { .. } => "not-what-was-asked-for",
            Self::Conflict { .. } => "conflict",
            Self::NoRebuilders => "no-rebuilders",
            Self::NotConfirmed { .. } => "not-confirmed",
            Self::CouldNotFindOut { .. } => "could-not-find-out",
        }
    }
}

impl Clearance {
    /// Clears a transaction if every file of it was admitted.
    ///
    /// # Errors
    /// All decisions, unchanged, if any of them is a refusal.
    pub fn of(decisions: Vec<Decision>) -> Result<Self, Vec<Decision>> {
        if decisions.iter().any(|decision| decision.refusal().is_some()) {
            return Err(decisions);
        }
        let admitted = decisions.into_iter().filter_map(|decision| match decision {
            Decision::Admit(admit) => Some(admit),
            Decision::Refuse(_) => None,
        });
        Ok(Self { admitted: admitted.collect() })
    }

    /// The files that may pass.
    pub fn admitted(&self) -> &[Admit] {
        &self.admitted
    }
}
