//! What people read: tables with columns as wide as they must be, separated by two blanks, the last one as it comes.

use std::io::{IsTerminal, Write};

use unicode_width::UnicodeWidthStr;

/// A table with a heading. Rows have as many cells as the heading.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(ToOwned::to_owned);
    aligned(std::iter::once(&heading).chain(rows))
}

/// Lines of cells below each other.
pub(crate) fn aligned<R: AsRef<[String]>>(lines: impl IntoIterator<Item = R>) -> String {
    let lines: Vec<R> = lines.into_iter().collect();
    let mut widths = Vec::new();
    for cells in &lines {
        let cells = cells.as_ref();
        widths.resize(widths.len().max(cells.len()), 0);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', 2 + width.saturating_sub(cell.width())));
        }
        text.trim_end().to_owned() + "\n"
    };
    lines.iter().map(|cells| line(cells.as_ref())).collect()
}

/// Prints what is for people.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout();
    // What people are called must not steer their reader's terminal; it is refused where it is stored, and so only old rows could.
    let text = if out.is_terminal() { text.replace('\u{1b}', "") } else { text.to_owned() };
    // Whoever reads may have seen enough.
    let _ = write!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_whatever_the_script() {
        let rows = [["山田".to_owned(), "a".to_owned()], ["Ann".to_owned(), "b".to_owned()]];
        assert_eq!(table(["N", "X"], &rows), "N     X\n山田  a\nAnn   b\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ä".to_owned(), "x y".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["A", "WHAT"], &rows), "A       WHAT\nä       x y\nlonger\n");
        assert_eq!(table(["A", "WHAT"], &[]), "A  WHAT\n");
    }
}
