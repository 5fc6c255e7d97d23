//! `apt-quorum check`: predicts if these packages would pass.

use serde::Serialize;

use super::Exit;
use super::args::Check;
use super::hold::files::HoldFiles;
use super::judging::Court;
use super::output::json;
use super::simulate::{self, Simulated};
use super::world::{Stop, say, say_remarks, show};
use crate::gate::{Ask, Outlook};
use crate::hold::HeldRecord;
use crate::policy::{Mode, Policy};
use crate::report::RecordedAssessment;
use crate::sys::terminal::Progress;
use crate::types::Identity;

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    schema: u32,
    /// True if apt would go through with it, as far as that can be told
    pass: bool,
    mode: &'static str,
    packages: Vec<RecordedAssessment>,
    /// Packages that are in no index of apt: judged by their files
    unlisted: &'a [&'a Identity],
    /// Packages that apt names in a way that cannot be looked up: judged by their files
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    odd: &'a [String],
}

pub(super) fn run(arguments: &Check) -> Result<Exit, Stop> {
    let court = Court::of(&arguments.directory, &[], arguments.offline)?.that_tells_signers();
    let (gate, config) = (&court.gate, court.config()?);
    let Simulated { packages, odd } = would_be_installed(arguments)?;
    if packages.is_empty() && odd.is_empty() && !arguments.json {
        let held = HeldRecord::read(&HoldFiles::of(&court.apt).state).line();
        let held = held.filter(|_| arguments.upgrades).map(|it| it + "\n").unwrap_or_default();
        let nothing = "apt would install nothing: there is nothing to check.\n";
        return Ok(say(&format!("{nothing}{held}"), Exit::Admitted));
    }
    let mut gatherer = court.gatherer()?;
    let now = court.present();
    let files = gate.files_of(&packages);
    say_remarks(gate);
    let bar = Progress::of("", files.len());
    let progress = |done| bar.at(done);
    let assessed = gate.assess(files, |_| Vec::new(), Ask::All, &mut *gatherer, now, progress);
    drop((gatherer, bar));
    let outlook = Outlook::of(&packages, &assessed);
    let exit = exit_code(&outlook, &odd, &config.policy);
    if arguments.json {
        let checked = Checked {
            schema: 1,
            pass: exit == Exit::Admitted,
            mode: super::mode::word(config.policy.mode()),
            packages: outlook.listed().map(recorded).collect(),
            unlisted: outlook.unlisted(),
            odd: &odd,
        };
        return Ok(say(&json(&checked), exit));
    }
    let mut text = outlook.text(&config.policy);
    let unlisted: Vec<Identity> = outlook.unlisted().iter().map(|it| (*it).clone()).collect();
    let unhashed = gate.listed_without_hash(&unlisted);
    for it in unlisted.iter().take(SHOWN) {
        text += &if unhashed.contains(it) {
            format!(
                "  no SHA-256 in its index: {it}: no exception by name or repository applies. Check its file: apt-quorum verify FILE. Exempt its file: apt-quorum exception add FILE\n"
            )
        } else {
            format!("  in no index: {it}. Check its file: apt-quorum verify FILE\n")
        };
    }
    for line in odd.iter().take(SHOWN) {
        text += &format!("  not understood: {line}. Check its file: apt-quorum verify FILE\n");
    }
    if arguments.upgrades {
        let held = HeldRecord::read(&HoldFiles::of(&court.apt).state);
        text += &held.line().map(|it| it + "\n").unwrap_or_default();
    }
    text += &match (exit, outlook.refused().first()) {
        (Exit::Admitted, _) => "apt would install all of these packages.\n".to_owned(),
        (_, None) => "apt would install all of these packages that an index lists.\n".to_owned(),
        (_, Some(it)) => {
            let Identity { package, version, .. } = &it.named.identity;
            let outcome = match arguments.upgrades && config.hold.is_on {
                true => {
                    "The next apt update or apt-quorum hold refresh holds the refused ones back, and apt installs the others."
                }
                false => "apt would install none of these packages.",
            };
            format!("{outcome} See why: apt-quorum explain {package}={version}\n")
        }
    };
    Ok(show(&text, exit))
}

/// Most packages in no index that the text names.
const SHOWN: usize = 20;

fn would_be_installed(arguments: &Check) -> Result<Simulated, Stop> {
    if arguments.upgrades {
        return simulate::upgraded();
    }
    let mut action = vec!["install", "--"];
    action.extend(arguments.packages.iter().map(String::as_str));
    simulate::installed_by(&action)
        .map_err(|why| Stop::wrong(format!("cannot ask apt-get what it would install: {why}")))
}

fn recorded(it: &crate::gate::Assessed) -> RecordedAssessment {
    RecordedAssessment::of(&it.named, &it.assessment)
}

fn exit_code(outlook: &Outlook<'_>, odd: &[String], policy: &Policy) -> Exit {
    let all_listed = odd.is_empty() && outlook.unlisted().is_empty();
    if policy.mode() == Mode::Warn || outlook.refused().is_empty() && all_listed {
        Exit::Admitted
    } else if outlook.is_transient() {
        Exit::CouldNotFindOut
    } else {
        Exit::Refused
    }
}
