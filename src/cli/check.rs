//! `apt-quorum check`: predicts if these packages would pass.

use serde::Serialize;

use super::Exit;
use super::args::Check;
use super::output::json;
use super::simulate::{self, Simulated};
use super::world::{Stop, end, say, say_remarks, show};
use crate::evidence::Network;
use crate::gate::{Ask, Environment, Gate, Outlook, apt_configuration};
use crate::policy::{Mode, Policy};
use crate::receipt;
use crate::report::RecordedAssessment;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Identity, Timestamp};

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

pub(super) fn run(arguments: &Check) -> Exit {
    end(checked(arguments))
}

fn checked(arguments: &Check) -> Result<Exit, Stop> {
    let apt = apt_configuration(Environment::Heard).map_err(Stop::wrong)?;
    let gate = Gate::open(&apt, arguments.directory.config.as_deref(), Trusted::now())
        .that_tells_signers();
    let config =
        gate.config().map_err(|problems| Stop::wrong(format!("nothing passes:\n{problems}.")))?;
    let Simulated { packages, odd } = would_be_installed(arguments)?;
    if packages.is_empty() && odd.is_empty() && !arguments.json {
        return Ok(say("apt would install nothing: there is nothing to check.\n", Exit::Admitted));
    }
    let network = if arguments.offline { Network::Denied } else { Network::Allowed };
    let mut gatherer = gate.gatherer(&apt, network).map_err(Stop::wrong)?;
    let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    // By the same clock as the hook.
    let now = Timestamp::from(receipt::present(&state, std::time::SystemTime::now()).now);
    let files = gate.files_of(&packages);
    say_remarks(&gate);
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
                "  without a SHA-256 in its index: {it}: no exception by name or archive applies to it; apt-quorum verify judges its file, and apt-quorum exception add FILE makes one by its SHA-256.\n"
            )
        } else {
            format!("  in no index: {it}: apt-quorum verify judges its file.\n")
        };
    }
    for line in odd.iter().take(SHOWN) {
        text += &format!("  not understood: {line}: apt-quorum verify judges its file.\n");
    }
    text += match exit {
        Exit::Admitted => "As things stand, apt would install all of it.\n",
        _ if outlook.refused().is_empty() => {
            "As things stand, apt would install all that an index lists.\n"
        }
        _ => {
            "As things stand, apt would install none of it: apt-quorum explain PACKAGE=VERSION tells more.\n"
        }
    };
    Ok(show(&text, exit))
}

/// Most packages in no index that the text names.
const SHOWN: usize = 20;

fn would_be_installed(arguments: &Check) -> Result<Simulated, Stop> {
    let mut action = vec!["install", "--"];
    if arguments.upgrades {
        return simulate::installed_by(&["dist-upgrade"]).map_err(|why| {
            Stop::silent(format!("apt-get does not tell what it would upgrade: {why}"))
        });
    }
    action.extend(arguments.packages.iter().map(String::as_str));
    simulate::installed_by(&action)
        .map_err(|why| Stop::wrong(format!("apt-get does not tell what it would install: {why}")))
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
