//! An audit as one page for a browser, which loads nothing from anywhere.
//!
//! All rows are in the HTML, so that it can be read, searched and printed without JavaScript; the
//! script only sorts and hides. The page's own policy (CSP) lets nothing run or load but the one
//! style and the one script in it, by their hashes. Pure: the same audit gives the same bytes.

mod evidence;
mod markup;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{AuditRecord, Counts, PackageState, RecordedPackage, confirming};
use crate::types::{Called, RebuilderName, Sha256Digest};
use markup::Markup;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The states from the worst to the best, so that the urgent ones are seen first.
const WORST_FIRST: [PackageState; 5] = [
    PackageState::Conflict,
    PackageState::Unknown,
    PackageState::Debt,
    PackageState::Excepted,
    PackageState::Confirmed,
];

/// Writes an audit as an HTML page.
#[must_use]
pub fn html(record: &AuditRecord) -> String {
    let mut page = Markup::default();
    head(&mut page, record);
    header(&mut page, record);
    page.raw("<main>\n");
    controls(&mut page, record);
    table(&mut page, record);
    page.raw("</main>\n");
    let AuditRecord { time, policy, .. } = record;
    page.fill(FOOTER, &[time, time, policy]);
    page.raw("<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    page.into_string()
}

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
    base-uri 'none'; form-action 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'\">\n\
    <meta name=\"referrer\" content=\"no-referrer\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n<title>Audit of {}</title>\n";

const FOOTER: &str = "<footer>\n<p>Made by apt-quorum on <time datetime=\"{}\">{}</time>, by the policy \
    with the SHA-256 <code>{}</code>. It relies on the system's own records: dpkg's database, the \
    receipts of accepted files, and apt's indexes.</p>\n</footer>\n";

fn head(page: &mut Markup, record: &AuditRecord) {
    let hash = |text: &str| BASE64.encode(Sha256Digest::of(text.as_bytes()).as_bytes());
    page.fill(HEAD, &[&hash(STYLE), &hash(SCRIPT), &record.root]);
    page.raw("<style>").raw(STYLE).raw("</style>\n</head>\n<body>\n");
}

/// Writes the result of the audit in one sentence, in numbers, and as a bar.
fn header(page: &mut Markup, record: &AuditRecord) {
    let Counts { installed, confirmed, excepted, .. } = record.counts;
    let open = installed.saturating_sub(confirmed).saturating_sub(excepted);
    let sentence = match (open, excepted) {
        (0, 0) => format!("All {installed} installed packages are confirmed."),
        (0, _) => format!(
            "{confirmed} of {installed} installed packages are confirmed, the others are under an exception."
        ),
        _ => format!(
            "{confirmed} of {installed} installed packages are confirmed, {open} are neither confirmed nor excepted."
        ),
    };
    let lead = "<header>\n<h1>Audit of {}</h1>\n<p class=\"lead\">{}";
    page.fill(lead, &[&record.root, &sentence]);
    let alarms = record.packages.iter().filter(|it| is_alarm(it)).count();
    if alarms > 0 {
        let packages = if alarms == 1 { "package" } else { "packages" };
        page.fill(
            " <strong class=\"alarm\">Of {} {} a rebuilder signed a different file under the same name.</strong>",
            &[&alarms, &packages],
        );
    }
    page.raw("</p>\n");
    bar(page, record);
    page.raw("<dl class=\"counts\">\n");
    for state in WORST_FIRST {
        page.fill(
            "<div class=\"{}\"><dt>{}</dt><dd>{}</dd><dd class=\"means\">{}</dd></div>\n",
            &[&code(state), &title(state), &tile(record, state), &meaning(record.counts, state)],
        );
    }
    page.raw("</dl>\n</header>\n");
}

/// Draws the bar with attributes of SVG: the policy of the page lets no element have a style of its
/// own.
fn bar(page: &mut Markup, record: &AuditRecord) {
    page.raw("<svg class=\"bar\" width=\"100%\" height=\"10\" aria-hidden=\"true\">\n");
    let mut before = 0;
    for state in WORST_FIRST {
        let count = count(record, state);
        if count > 0 {
            // A single bad one must be visible too; the good ones at the end give way.
            let part =
                (count * 1000).checked_div(record.counts.installed).unwrap_or_default().max(5);
            page.fill(
                "<rect class=\"{}\" height=\"10\" x=\"{}%\" width=\"{}%\"/>\n",
                &[&code(state), &percent(before), &percent(part)],
            );
            before += part;
        }
    }
    page.raw("</svg>\n");
}

fn percent(of_thousand: usize) -> String {
    format!("{}.{}", of_thousand / 10, of_thousand % 10)
}

/// Writes the controls, hidden until the script takes the attribute away: without it they would do
/// nothing.
fn controls(page: &mut Markup, record: &AuditRecord) {
    page.raw(
        "<form id=\"controls\" role=\"search\" aria-label=\"Packages\" autocomplete=\"off\" hidden>\n\
         <p><label for=\"find\">Search</label> <input id=\"find\" type=\"search\" \
         placeholder=\"name, version, source, rebuilder\" autocomplete=\"off\" spellcheck=\"false\"></p>\n\
         <fieldset><legend>State</legend>\n",
    );
    for state in WORST_FIRST {
        page.fill(
            "<label class=\"{}\"><input type=\"checkbox\" name=\"state\" value=\"{}\" checked> {} <b>{}</b></label>\n",
            &[&code(state), &code(state), &title(state), &count(record, state)],
        );
    }
    page.raw(
        "</fieldset>\n<p><label for=\"rebuilder\">Rebuilder</label> <select id=\"rebuilder\">\n\
         <option value=\"\">any</option>\n<option value=\"!\">that signed a different file</option>\n",
    );
    let rebuilders: BTreeSet<&RebuilderName> =
        record.packages.iter().flat_map(|it| it.rebuilders.keys()).collect();
    for (sign, not, label) in [("+", "", "Confirmed by"), ("-", "not ", "Not confirmed by")] {
        page.fill("<optgroup label=\"{}\">\n", &[&label]);
        for name in &rebuilders {
            page.fill("<option value=\"{}{}\">{}{}</option>\n", &[&sign, name, &not, name]);
        }
        page.raw("</optgroup>\n");
    }
    page.raw(
        "</select></p>\n<p><button type=\"reset\">Show all</button></p>\n\
         <p id=\"shown\" role=\"status\"></p>\n</form>\n",
    );
}

fn table(page: &mut Markup, record: &AuditRecord) {
    page.raw(
        "<table id=\"packages\">\n<caption>Every installed package, the worst first. \
         Open a row to see its evidence.</caption>\n<thead><tr>\
         <th scope=\"col\" data-key=\"state\">State</th>\
         <th scope=\"col\" data-key=\"package\">Package</th>\
         <th scope=\"col\" data-key=\"version\">Version</th>\
         <th scope=\"col\" data-key=\"architecture\">Arch</th>\
         <th scope=\"col\">Reason and evidence</th></tr></thead>\n<tbody>\n",
    );
    let mut packages: Vec<&RecordedPackage> = record.packages.iter().collect();
    // Stable: packages are sorted already.
    packages.sort_by_key(|it| (Reverse(it.state), !is_alarm(it)));
    packages.into_iter().for_each(|it| row(page, it));
    page.raw("</tbody>\n</table>\n<p id=\"none\" hidden>No package matches.</p>\n");
}

fn row(page: &mut Markup, package: &RecordedPackage) {
    let Called { package: name, version, architecture } = &package.identity;
    let state = package.state;
    page.fill("<tr class=\"{}\" data-find=\"{}", &[&code(state), &package.source]);
    for name in confirming(&package.rebuilders) {
        page.fill(" {}", &[name]);
    }
    page.raw("\" data-by=\"");
    for name in confirming(&package.rebuilders) {
        page.fill(" {}", &[name]);
    }
    page.raw(if is_alarm(package) { " \" data-alarm" } else { " \"" });
    page.fill(
        "><td class=\"state\"><span>{}</span></td><th scope=\"row\">{}</th><td>{}</td><td>{}</td>\
         <td class=\"why\"><details><summary>",
        &[&title(state), name, version, architecture],
    );
    evidence::why(page, package);
    page.raw("</summary>");
    evidence::details(page, package);
    page.raw("</details></td></tr>\n");
}

/// Returns true if a rebuilder signed another file under its name, even where enough confirm this
/// one.
fn is_alarm(package: &RecordedPackage) -> bool {
    !package.conflicts.is_empty()
}

/// The class of a state in HTML, and its value in the filter.
const fn code(state: PackageState) -> &'static str {
    match state {
        PackageState::Confirmed => "confirmed",
        PackageState::Excepted => "excepted",
        PackageState::Debt => "debt",
        PackageState::Unknown => "unknown",
        PackageState::Conflict => "conflict",
    }
}

const fn title(state: PackageState) -> &'static str {
    match state {
        PackageState::Confirmed => "Confirmed",
        PackageState::Excepted => "Excepted",
        PackageState::Debt => "Debt",
        PackageState::Unknown => "Unknown",
        PackageState::Conflict => "Conflict",
    }
}

fn meaning(counts: Counts, state: PackageState) -> String {
    let fixed = match state {
        PackageState::Confirmed => "enough rebuilders signed the very same bytes",
        PackageState::Excepted => "exempted by the administrator until a date",
        PackageState::Debt => "accepted without a quorum, and still not confirmed",
        PackageState::Unknown if counts.unknown > 0 => {
            let causes = counts.unknown_because.each();
            let causes: Vec<String> =
                causes.map(|(it, count)| format!("{count} {}", super::cause(it))).collect();
            return causes.join(", ");
        }
        PackageState::Unknown => "unverified or unidentified",
        PackageState::Conflict => "a rebuilder signed a different file under its name",
    };
    fixed.to_owned()
}

/// The number of packages in a state.
fn count(record: &AuditRecord, state: PackageState) -> usize {
    record.packages.iter().filter(|it| it.state == state).count()
}

/// The number in the tile of a state. A conflict counts even where enough others confirm the
/// package.
fn tile(record: &AuditRecord, state: PackageState) -> usize {
    match state {
        PackageState::Conflict => record.counts.conflict,
        _ => count(record, state),
    }
}
