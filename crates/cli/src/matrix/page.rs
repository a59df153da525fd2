//! A matrix as one HTML page that needs nothing else.

use api::rolecatalog::v1::{AccessMatrix, access_matrix::Cell};

use super::{called, conditions, id_of, word};

/// Light and dark as the reader's system is, and black on white on paper, with the heading again on every sheet.
const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d0d7de; --head: #f6f8fa; --allow: #116329; --allow-ground: #dafbe1; \
--conditional: #7d4e00; --conditional-ground: #fff8c5; --deny: #a40e26; --deny-ground: #ffebe9; --faint: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --head: #151b23; --allow: #7ee787; \
--allow-ground: #12351d; --conditional: #e3b341; --conditional-ground: #3a2d05; --deny: #ffa198; --deny-ground: #4a1a1d; --faint: #9198a1; } }
body { margin: 2rem; background: var(--paper); color: var(--ink); font: 14px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
p { margin: 0 0 1rem; color: var(--faint); }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: center; vertical-align: top; }
thead th { background: var(--head); position: sticky; top: 0; }
tbody th { text-align: left; font-weight: normal; }
tbody tr.section th { background: var(--head); font-weight: 600; }
small { display: block; color: var(--faint); font-weight: normal; }
td.ALLOW { color: var(--allow); background: var(--allow-ground); font-weight: 600; }
td.CONDITIONAL { color: var(--conditional); background: var(--conditional-ground); }
td.CONDITIONAL small { color: inherit; }
td.DENY { color: var(--deny); background: var(--deny-ground); }
td.NONE, td.NA { color: var(--faint); }
@media print { :root { --ink: #000; --paper: #fff; --line: #888; --head: #eee; --allow: #000; --allow-ground: #fff; --conditional: #000; \
--conditional-ground: #fff; --deny: #000; --deny-ground: #fff; --faint: #333; color-scheme: light; }
body { margin: 0; font-size: 9pt; } thead { display: table-header-group; } thead th { position: static; } tr { break-inside: avoid; } }
";

/// The page.
pub(super) fn page(parent: &str, matrix: &AccessMatrix) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Access matrix of {parent}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Access matrix of {parent}</h1>\n\
         <p>{model}, revision {revision}. A role that gives an action by itself is marked ALLOW; DENY is on purpose, and no veto.</p>\n<table>\n",
        parent = escaped(parent),
        model = escaped(&matrix.role_model),
        revision = matrix.model_revision,
    );
    html.push_str("<thead><tr><th scope=\"col\">Action</th>");
    for column in &matrix.columns {
        let custom = if column.custom { ", custom" } else { "" };
        let title = escaped(called(&column.title, id_of(column)));
        html.push_str(&format!("<th scope=\"col\">{title}<small>{}{custom}</small></th>", escaped(&column.held_at)));
    }
    html.push_str("</tr></thead>\n");
    for section in &matrix.sections {
        let title = escaped(called(&section.title, &section.id));
        let width = matrix.columns.len() + 1;
        html.push_str(&format!("<tbody>\n<tr class=\"section\"><th colspan=\"{width}\" scope=\"rowgroup\">{title}</th></tr>\n"));
        for row in &section.rows {
            let permissions = escaped(&row.permissions.join(", "));
            html.push_str(&format!("<tr><th scope=\"row\">{}<small>{permissions}</small></th>", escaped(called(&row.title, &row.id))));
            row.cells.iter().for_each(|cell| html.push_str(&cell_of(cell)));
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n");
    }
    html.push_str("</table>\n</body>\n</html>\n");
    html
}

fn cell_of(cell: &Cell) -> String {
    let conditions: Vec<String> = conditions(cell).iter().map(|text| format!("<small>{}</small>", escaped(text))).collect();
    let word = word(cell);
    format!("<td class=\"{word}\">{word}{}</td>", conditions.join(""))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::sample, *};

    #[test]
    fn what_people_wrote_is_text_and_no_markup() {
        let html = page("organizations/<acme>", &sample());
        assert!(html.contains("&lt;b&gt;Buyer&lt;/b&gt;<small>account, custom</small>"), "{html}");
        assert!(html.contains("<td class=\"CONDITIONAL\">CONDITIONAL<small>Small | cheap (most = 100)</small></td>"), "{html}");
        assert!(html.contains("Ads &amp; co") && html.contains("organizations/&lt;acme&gt;") && !html.contains("<b>"));
        for outside in ["http://", "https://", "<script", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
