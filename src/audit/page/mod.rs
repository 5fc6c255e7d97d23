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

use super::{Counts, Record, RecordedPackage, State};
use crate::policy::Standing;
use crate::types::{RebuilderName, Sha256Digest};
use markup::Markup;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The states from the worst to the best, so that the urgent ones are seen first.
const WORST_FIRST: [State; 5] =
    [State::Conflict, State::Unknown, State::Debt, State::Excepted, State::Confirmed];

/// Writes an audit as an HTML page.
#[must_use]
pub fn html(record: &Record) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n");
    head(&mut page, record);
    page.raw("<body>\n");
    header(&mut page, record);
    page.raw("<main>\n");
    controls(&mut page, record);
    table(&mut page, record);
    page.raw("</main>\n");
    footer(&mut page, record);
    page.raw("<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    page.into_string()
}

fn head(page: &mut Markup, record: &Record) {
    let hash = |text: &str| BASE64.encode(Sha256Digest::of(text.as_bytes()).as_bytes());
    page.raw("<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
    page.raw("base-uri 'none'; form-action 'none'; style-src 'sha256-").raw(&hash(STYLE));
    page.raw("'; script-src 'sha256-").raw(&hash(SCRIPT)).raw("'\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.raw("<title>Audit of ").text(&record.root).raw("</title>\n");
    page.raw("<style>").raw(STYLE).raw("</style>\n</head>\n");
}

/// Writes the result of the audit in one sentence, in numbers, and as a bar.
fn header(page: &mut Markup, record: &Record) {
    let Counts { installed, confirmed, excepted, .. } = record.counts;
    page.raw("<header>\n<h1>Audit of ").text(&record.root).raw("</h1>\n<p class=\"lead\">");
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
    page.text(&sentence);
    let alarms = record.packages.iter().filter(|it| is_alarm(it)).count();
    if alarms > 0 {
        let of = if alarms == 1 { "Of 1 package" } else { &format!("Of {alarms} packages") };
        page.raw(" <strong class=\"alarm\">").text(of);
        page.raw(" a rebuilder signed a different file under the same name.</strong>");
    }
    page.raw("</p>\n");
    bar(page, record.counts);
    page.raw("<dl class=\"counts\">\n");
    for state in WORST_FIRST {
        let (code, count) = (code(state), count(record.counts, state));
        page.raw("<div class=\"").raw(code).raw("\"><dt>").raw(title(state)).raw("</dt><dd>");
        page.text(&count.to_string()).raw("</dd><dd class=\"means\">");
        page.raw(meaning(state)).raw("</dd></div>\n");
    }
    page.raw("</dl>\n</header>\n");
}

/// Draws the bar with attributes of SVG: the policy of the page lets no element have a style of its
/// own.
fn bar(page: &mut Markup, counts: Counts) {
    page.raw("<svg class=\"bar\" width=\"100%\" height=\"10\" aria-hidden=\"true\">\n");
    let mut before = 0;
    for state in WORST_FIRST {
        let count = count(counts, state);
        if count > 0 {
            // A single bad one must be visible too; the good ones at the end give way.
            let part = (count * 1000).checked_div(counts.installed).unwrap_or_default().max(5);
            page.raw("<rect class=\"").raw(code(state)).raw("\" height=\"10\" x=\"");
            page.raw(&percent(before)).raw("%\" width=\"").raw(&percent(part)).raw("%\"/>\n");
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
fn controls(page: &mut Markup, record: &Record) {
    page.raw("<form id=\"controls\" role=\"search\" aria-label=\"Packages\" autocomplete=\"off\" hidden>\n");
    page.raw("<p><label for=\"find\">Search</label> <input id=\"find\" type=\"search\" ");
    page.raw("placeholder=\"name, version, source, rebuilder\" autocomplete=\"off\" spellcheck=\"false\"></p>\n");
    page.raw("<fieldset><legend>State</legend>\n");
    for state in WORST_FIRST {
        let code = code(state);
        page.raw("<label class=\"")
            .raw(code)
            .raw("\"><input type=\"checkbox\" name=\"state\" value=\"");
        page.raw(code).raw("\" checked> ").raw(title(state)).raw(" <b>");
        page.text(&count(record.counts, state).to_string()).raw("</b></label>\n");
    }
    page.raw(
        "</fieldset>\n<p><label for=\"rebuilder\">Rebuilder</label> <select id=\"rebuilder\">\n",
    );
    page.raw(
        "<option value=\"\">any</option>\n<option value=\"!\">that signed a different file</option>\n",
    );
    let rebuilders: BTreeSet<&RebuilderName> =
        record.packages.iter().flat_map(|it| it.rebuilders.keys()).collect();
    for (sign, label) in [("+", "Confirmed by"), ("-", "Not confirmed by")] {
        page.raw("<optgroup label=\"").raw(label).raw("\">\n");
        for name in &rebuilders {
            page.raw("<option value=\"").raw(sign).text(name.as_str()).raw("\">");
            page.raw(if sign == "+" { "" } else { "not " }).text(name.as_str());
            page.raw("</option>\n");
        }
        page.raw("</optgroup>\n");
    }
    page.raw("</select></p>\n<p><button type=\"reset\">Show all</button></p>\n");
    page.raw("<p id=\"shown\" role=\"status\"></p>\n</form>\n");
}

fn table(page: &mut Markup, record: &Record) {
    page.raw("<table id=\"packages\">\n<caption>Every installed package, the worst first. ");
    page.raw("Open a row to see its evidence.</caption>\n<thead><tr>");
    for (key, name) in [
        ("state", "State"),
        ("package", "Package"),
        ("version", "Version"),
        ("architecture", "Arch"),
    ] {
        page.raw("<th scope=\"col\" data-key=\"").raw(key).raw("\">").raw(name).raw("</th>");
    }
    page.raw("<th scope=\"col\">Reason and evidence</th></tr></thead>\n<tbody>\n");
    let mut packages: Vec<&RecordedPackage> = record.packages.iter().collect();
    // Stable: packages are sorted already.
    packages.sort_by_key(|it| (Reverse(it.state), !is_alarm(it)));
    packages.into_iter().for_each(|it| row(page, it));
    page.raw("</tbody>\n</table>\n<p id=\"none\" hidden>No package matches.</p>\n");
}

fn row(page: &mut Markup, package: &RecordedPackage) {
    let id = &package.identity;
    page.raw("<tr class=\"").raw(code(package.state)).raw("\" data-find=\"");
    page.text(&package.source);
    for name in confirming(package) {
        page.raw(" ").text(name.as_str());
    }
    page.raw("\" data-by=\"");
    for name in confirming(package) {
        page.raw(" ").text(name.as_str());
    }
    page.raw(if is_alarm(package) { " \" data-alarm" } else { " \"" });
    page.raw("><td class=\"state\"><span>").raw(title(package.state)).raw("</span></td>");
    page.raw("<th scope=\"row\">").text(&id.package).raw("</th><td>");
    page.text(&id.version).raw("</td><td>").text(&id.architecture);
    page.raw("</td><td class=\"why\"><details><summary>");
    evidence::why(page, package);
    page.raw("</summary>");
    evidence::details(page, package);
    page.raw("</details></td></tr>\n");
}

fn footer(page: &mut Markup, record: &Record) {
    page.raw("<footer>\n<p>Made by apt-quorum on <time datetime=\"");
    page.text(&record.time.to_string()).raw("\">").text(&record.time.to_string());
    page.raw("</time>, by the policy with the SHA-256 <code>").text(&record.policy.to_string());
    page.raw("</code>. It relies on the system's own records: dpkg's database, the receipts ");
    page.raw("of accepted files, and apt's indexes.</p>\n</footer>\n");
}

/// Returns true if a rebuilder signed another file under its name, even where enough confirm this
/// one.
fn is_alarm(package: &RecordedPackage) -> bool {
    !package.conflicts.is_empty()
}

fn confirming(package: &RecordedPackage) -> impl Iterator<Item = &RebuilderName> {
    let confirms = |(name, it): (_, &Standing)| matches!(it, Standing::Confirms).then_some(name);
    package.rebuilders.iter().filter_map(confirms)
}

/// The class of a state in HTML, and its value in the filter.
const fn code(state: State) -> &'static str {
    match state {
        State::Confirmed => "confirmed",
        State::Excepted => "excepted",
        State::Debt => "debt",
        State::Unknown => "unknown",
        State::Conflict => "conflict",
    }
}

const fn title(state: State) -> &'static str {
    match state {
        State::Confirmed => "Confirmed",
        State::Excepted => "Excepted",
        State::Debt => "Debt",
        State::Unknown => "Unknown",
        State::Conflict => "Conflict",
    }
}

const fn meaning(state: State) -> &'static str {
    match state {
        State::Confirmed => "enough rebuilders signed the very same bytes",
        State::Excepted => "exempted by the administrator until a date",
        State::Debt => "accepted without a quorum, and still not confirmed",
        State::Unknown => "unverified or unidentified",
        State::Conflict => "not confirmed, and a rebuilder signed a different file under its name",
    }
}

const fn count(counts: Counts, state: State) -> usize {
    match state {
        State::Confirmed => counts.confirmed,
        State::Excepted => counts.excepted,
        State::Debt => counts.debt,
        State::Unknown => counts.unknown,
        State::Conflict => counts.conflict,
    }
}
