//! `apt-quorum verify-image`: checks that an image is the one in a signed statement, and that it
//! satisfies one's own policy.

use std::path::Path;

use serde::Serialize;

use super::args::VerifyImage;
use super::attest::{hashed, patterns, put};
use super::judging::{Court, LateProgress};
use super::output::{about, json, list, print, show};
use super::world::{Stop, now, say_remarks};
use super::{Exit, audit as audit_command, files};
use crate::attest::{Rejection, unseal};
use crate::audit::{self, AuditRecord, Audited, System};
use crate::deb::Control;
use crate::deb822::status::Installed;
use crate::image::{
    self, ExpectedStatement, ImageStatement, Manifest, Problem, StatedState, check_file,
    check_installed, check_statement, check_tree, manifest,
};
use crate::types::{Called, PublicKey, Sha256Digest, Timestamp, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct VerifiedImage {
    schema: u32,
    /// `verified`, `refused` or `could-not-find-out`
    result: &'static str,
    /// The statement's own data; none if its signature is not good
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<StatementSummary>,
    /// The tree that was found
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<Sha256Digest>,
    /// The image as a file that was found
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Sha256Digest>,
    problems: Vec<Problem>,
    notes: Vec<String>,
    /// The states of the statement's packages, by one's own policy
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditRecord>,
}

#[derive(Serialize)]
struct StatementSummary {
    verifier: String,
    resource: String,
    time: Timestamp,
    policy: Sha256Digest,
    tree: Option<Sha256Digest>,
    excluded: Vec<String>,
}

pub(super) fn run(arguments: &VerifyImage) -> Result<Exit, Stop> {
    let now = now();
    let accepted = patterns(&arguments.exclude)?;
    if arguments.manifest.is_some() && arguments.root.is_none() {
        return Err(Stop::wrong("--manifest needs --root DIR"));
    }
    let key = public(&arguments.key)?;
    let statement = &arguments.statement;
    let envelope =
        files::plain_file(statement, image::MAX_STATEMENT, "not a statement, or too large")
            .map_err(Stop::wrong)?;
    let court = Court::of(&arguments.directory, &arguments.evidence, true)?;
    let config = court.config()?;

    // Nothing is told of a statement that is not known to be signed.
    let statement = match signed(&envelope, &key) {
        Ok(statement) => statement,
        Err(problem) => {
            let verified = VerifiedImage { problems: vec![problem], ..VerifiedImage::new(None) };
            return Ok(told(arguments, &[], verified, Exit::Refused));
        }
    };
    let mut verified = VerifiedImage::new(Some(StatementSummary::of(&statement)));
    let expected = ExpectedStatement {
        verifier: arguments.verifier.as_deref(),
        resource: arguments.resource.as_deref(),
        excluded: &accepted,
        max_age: arguments.max_age,
    };
    verified.problems.extend(check_statement(&statement, &key, expected, now));
    if let Some(root) = &arguments.root {
        verified.look_at(root, &statement, arguments)?;
    }
    if let Some(path) = &arguments.image {
        let found = hashed(path)?;
        verified.image = Some(found);
        verified.problems.extend(check_file(&statement, found));
    }
    if arguments.root.is_none() && arguments.image.is_none() {
        verified.note(
            "no image was checked, only the packages in the statement: add --root or --image",
        );
    } else if arguments.root.is_none() {
        verified.note("the tree was not checked, only the image file: add --root");
    }
    if statement.predicate.policy.digest.sha256 != config.digest {
        verified.note(
            "the statement was made with another policy; the policy of this machine was applied",
        );
    }

    let mut gatherer = court.gatherer()?;
    let packages = packages(&statement);
    let count = packages.len();
    let (gate, evidence, mut bar) = (&court.gate, &court.evidence, LateProgress::default());
    let progress = |done, total| bar.at(done, total);
    let audited = audit::assess_told(packages, gate, evidence, &mut *gatherer, now, progress);
    drop(bar);
    say_remarks(gate);
    if audited.len() != count {
        return Err(Stop::refused("not every package could be assessed"));
    }
    let exit = match audit_command::exit_code(&audited) {
        _ if !verified.problems.is_empty() => Exit::Refused,
        exit => exit,
    };
    verified.notes.extend(disagreements(&statement, &audited));
    let root = arguments.root.as_deref().map(Path::to_string_lossy).unwrap_or_default();
    verified.audit = Some(AuditRecord::of(&audited, &root, config.digest, now));
    Ok(told(arguments, &audited, verified, exit))
}

impl StatementSummary {
    fn of(statement: &ImageStatement) -> Self {
        let summary = &statement.predicate;
        Self {
            verifier: statement.verifier().to_owned(),
            resource: summary.resource_uri.clone(),
            time: summary.time_verified,
            policy: summary.policy.digest.sha256,
            tree: statement.tree(),
            excluded: summary.image.excluded.clone(),
        }
    }
}

impl VerifiedImage {
    fn new(statement: Option<StatementSummary>) -> Self {
        Self {
            schema: 1,
            result: "verified",
            statement,
            tree: None,
            image: None,
            problems: Vec::new(),
            notes: Vec::new(),
            audit: None,
        }
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// Examines the tree: its content, and the packages that dpkg says are installed in it.
    fn look_at(
        &mut self,
        root: &Path,
        statement: &ImageStatement,
        arguments: &VerifyImage,
    ) -> Result<(), Stop> {
        let text = match arguments.manifest {
            Some(_) => manifest::Text::Kept,
            None => manifest::Text::Dropped,
        };
        // The same parts as the signer, and only those that the verifier agreed to.
        let excluded = patterns(&statement.predicate.image.excluded).unwrap_or_default();
        let found = match Manifest::of(root, &excluded, text) {
            Ok(found) => found,
            // Somebody else's tree can be anything: one that cannot be read is no mistake of ours.
            Err(error) => {
                self.problems.push(Problem::new("unreadable-tree", error.to_string()));
                return Ok(());
            }
        };
        if let (Some(path), Some(text)) = (&arguments.manifest, found.text) {
            put(&[(path, text)])?;
        }
        self.tree = Some(found.sha256);
        self.problems.extend(check_tree(statement, found.sha256));
        let system = System::at(root).map_err(|error| Stop::wrong(about(root, &error)))?;
        match system.installed() {
            Ok(installed) => {
                let told = &statement.predicate.image.packages;
                self.problems.extend(check_installed(told, &installed));
            }
            Err(error) => {
                let text = printable(&error.to_string()).to_string();
                self.problems.push(Problem::new("unknown-packages", text));
            }
        }
        Ok(())
    }
}

/// Returns the packages of a statement, as if they were installed.
fn packages(statement: &ImageStatement) -> Vec<(Installed, Sha256Digest)> {
    let installed = |it: &image::StatedPackage| {
        let (identity, source) = (it.identity(), (it.source.clone(), it.source_version.clone()));
        let called = Called::from(identity.clone());
        (Installed { called, control: Ok(Control { identity, source }), whole: true }, it.sha256)
    };
    statement.predicate.image.packages.iter().map(installed).collect()
}

/// Lists the packages with different results for the signer and the verifier, both good enough.
fn disagreements(statement: &ImageStatement, audited: &[Audited]) -> Vec<String> {
    let packages = statement.predicate.image.packages.iter();
    let differs = |(told, it): (&image::StatedPackage, &Audited)| {
        let differs =
            told.state == StatedState::Excepted && it.state == audit::PackageState::Confirmed;
        differs.then(|| it.installed.called.to_string())
    };
    let names: Vec<String> = packages.zip(audited).filter_map(differs).collect();
    let note = format!("confirmed here, exempted by the signer: {}", list(&names));
    if names.is_empty() { Vec::new() } else { vec![note] }
}

/// Returns the statement in an envelope, if the key signed it.
fn signed(envelope: &[u8], key: &PublicKey) -> Result<ImageStatement, Problem> {
    let payload = unseal(envelope, key).map_err(|error| match error {
        Rejection::UnknownKey { .. } | Rejection::BadSignature { .. } => {
            Problem::new("not-signed", "the statement is not signed with this key")
        }
        error => Problem::new(error.code(), format!("the statement: {error}")),
    })?;
    let read = ImageStatement::read(&payload);
    read.map_err(|why| Problem::new("not-a-statement", format!("signed, but {why}")))
}

fn told(arguments: &VerifyImage, audited: &[Audited], verified: VerifiedImage, exit: Exit) -> Exit {
    let verified = VerifiedImage { result: result(exit), ..verified };
    if arguments.json {
        return print(&json(&verified), exit);
    }
    show(&text(&verified, audited, arguments.all), exit)
}

const fn result(exit: Exit) -> &'static str {
    match exit {
        Exit::Admitted => "verified",
        Exit::Refused | Exit::Wrong => "refused",
        Exit::CouldNotFindOut => "could-not-find-out",
    }
}

fn text(verified: &VerifiedImage, audited: &[Audited], all: bool) -> String {
    let mut text = String::new();
    if let Some(said) = &verified.statement {
        let (verifier, resource) = (printable(&said.verifier), printable(&said.resource));
        let date = said.time.date();
        text += &format!("statement of {date} by {verifier} about {resource}.\n");
    }
    for it in &verified.problems {
        text += &format!("PROBLEM: {}.\n", it.text);
    }
    for it in &verified.notes {
        text += &format!("note: {it}.\n");
    }
    if !audited.is_empty() {
        text += &audit_command::text(audited, all);
    }
    text + match verified.result {
        "verified" => "verified: the statement passes this policy.\n",
        "could-not-find-out" => {
            "refused: the evidence on this machine is not enough. Add more: --evidence PATH\n"
        }
        _ => "refused: the verification failed.\n",
    }
}

fn public(path: &Path) -> Result<PublicKey, Stop> {
    let named = |why: String| Stop::wrong(format!("--key {}", about(path, &why)));
    let text = files::text_of_key(path).map_err(named)?;
    PublicKey::ed25519_from_pem(&text).map_err(|error| named(error.to_string()))
}
