//! The builds of a package at each rebuilderd, the last and the earlier ones. No rebuilder signs this
//! list, so it is for people: a judgement counts attestations only.

use serde::Serialize;

use super::{AttestedAnswer, ExplainedCase, Explaining};
use crate::config::Protocol;
use crate::evidence::{BuildHistory, Network, PastBuild, PastResult};
use crate::fetching::builds_at_endpoints;
use crate::policy::Standing;
use crate::types::{RebuilderName, Timestamp, printable};

/// The builds at one endpoint.
#[derive(Serialize)]
pub(super) struct BuildsAtEndpoint {
    rebuilder: RebuilderName,
    endpoint: String,
    /// True if the rebuilder confirmed the file, and a later rebuild differs
    later_differs: bool,
    #[serde(flatten)]
    history: BuildHistory,
    /// The time of its vote, if that is known
    #[serde(skip)]
    confirmed: Option<Timestamp>,
}

/// Asks the endpoints that know a package for its builds; no endpoint if none may be asked.
pub(super) fn of(
    explaining: &Explaining<'_>,
    case: &ExplainedCase,
    answers: &[AttestedAnswer],
) -> Vec<BuildsAtEndpoint> {
    let court = explaining.court;
    let (Some(identity), Some(report)) = (case.identity(), case.report()) else {
        return Vec::new();
    };
    let knows = |name: &RebuilderName| match report.standings.get(name) {
        Some(
            Standing::Confirms
            | Standing::SignedAnother { .. }
            | Standing::Rejected { .. }
            | Standing::Says { .. },
        ) => true,
        Some(
            Standing::Unknown
            | Standing::Unreachable { .. }
            | Standing::Pending
            | Standing::NotAsked,
        )
        | None => false,
    };
    let Some(mut setup) = court.gate.setup(&court.apt, court.network) else { return Vec::new() };
    setup.keep = None;
    setup.endpoints.retain(|it| {
        it.protocol == Protocol::Rebuilderd
            && it.covers(&identity.architecture)
            && knows(&it.rebuilder)
    });
    if setup.endpoints.is_empty() || setup.network == Network::Denied {
        return Vec::new();
    }
    let histories = builds_at_endpoints(&setup, identity).unwrap_or_else(|why| {
        let failed = |_| BuildHistory::Failed { why: why.clone() };
        setup.endpoints.iter().map(failed).collect()
    });
    let of_endpoint = |(endpoint, history): (crate::config::Endpoint, BuildHistory)| {
        let confirms = report.standings.get(&endpoint.rebuilder) == Some(&Standing::Confirms);
        let signed = answers.iter().filter(|it| confirms && it.rebuilder == endpoint.rebuilder);
        let signed = signed.filter_map(|it| it.dated.or(it.kept_since)).min();
        BuildsAtEndpoint {
            confirmed: of_builds(&history).iter().find(|it| is_vote(it)).map_or(signed, when),
            later_differs: confirms && differs_now(of_builds(&history)),
            rebuilder: endpoint.rebuilder,
            endpoint: endpoint.url.to_string(),
            history,
        }
    };
    setup.endpoints.into_iter().zip(histories).map(of_endpoint).collect()
}

fn of_builds(history: &BuildHistory) -> &[PastBuild] {
    match history {
        BuildHistory::Builds { builds, .. } => builds,
        BuildHistory::Failed { .. } => &[],
    }
}

const fn when(build: &PastBuild) -> Option<Timestamp> {
    build.built_at
}

fn is_vote(build: &PastBuild) -> bool {
    build.result == PastResult::Reproduced && build.attested
}

/// Returns true when the last build with a result has another one.
fn differs_now(builds: &[PastBuild]) -> bool {
    let mut results = builds.iter().map(|it| it.result);
    let last = results.find(|it| matches!(it, PastResult::Reproduced | PastResult::Differs));
    last == Some(PastResult::Differs)
}

/// The lines for people: sentences about the endpoint, then its builds, the newest first.
pub(super) fn lines(builds: &BuildsAtEndpoint) -> Vec<String> {
    let name = &builds.rebuilder;
    let mut lines = Vec::new();
    if builds.later_differs {
        let on = builds.confirmed.map_or_else(String::new, |it| format!(" on {}", it.date()));
        lines.push(format!(
            "{name} confirmed it{on}, a later rebuild differs. The confirmation counts"
        ));
    }
    match &builds.history {
        BuildHistory::Failed { why } => {
            lines.push(format!("{name}'s builds are unknown: {}", printable(why)));
        }
        BuildHistory::Builds { builds, earlier, only_last } => match (builds.as_slice(), earlier) {
            ([], _) => {}
            ([one], 0) if *only_last => {
                lines.push(format!("{name}'s last build (not signed): {}", line(one)));
            }
            ([one], 0) => lines.push(format!("{name}'s only build (not signed): {}", line(one))),
            (builds, earlier) => {
                lines.push(format!("{name}'s builds, the newest first (not signed):"));
                lines.extend(builds.iter().map(line));
                if *earlier > 0 {
                    lines.push(format!("and {earlier} before these"));
                }
            }
        },
    }
    lines
}

fn line(build: &PastBuild) -> String {
    // Without the fraction of a second.
    let time = build.built_at.and_then(|it| Timestamp::from_unix(it.as_unix()).ok());
    let time = time.map_or_else(|| "undated".to_owned(), |it| it.to_string());
    let result = match (build.result, build.attested) {
        (PastResult::Reproduced, true) => "reproduced, attested",
        (PastResult::Reproduced, false) => "reproduced, not attested",
        (PastResult::Differs, _) => "differs",
        (PastResult::Failed, _) => "failed",
        (PastResult::Unknown, _) => "no result",
    };
    match build.id {
        Some(id) => format!("{time} build {id}: {result}"),
        None => format!("{time}: {result}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(result: PastResult) -> PastBuild {
        PastBuild { id: None, built_at: None, result, attested: false }
    }

    #[test]
    fn the_last_build_with_a_result_tells_whether_it_differs_now() {
        use PastResult::{Differs, Failed, Reproduced as Same, Unknown};
        for (results, expected) in [
            (&[][..], false),
            (&[Same], false),
            (&[Differs], true),
            (&[Differs, Same], true),
            (&[Same, Differs], false),
            (&[Failed, Unknown, Differs, Same], true),
            (&[Failed, Same, Differs], false),
            (&[Failed], false),
        ] {
            let builds: Vec<PastBuild> = results.iter().copied().map(build).collect();
            assert_eq!(differs_now(&builds), expected, "{results:?}");
        }
    }
}
