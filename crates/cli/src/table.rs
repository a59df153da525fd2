//! Tables for people: columns as wide as they must be, separated by two blanks, the last one as it comes.

use unicode_width::UnicodeWidthStr;

/// A table with a heading. Rows have as many cells as the heading.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.width());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |cells: &[String; N]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', 2 + width.saturating_sub(cell.width())));
        }
        text.trim_end().to_owned()
    };
    let heading = heading.map(ToOwned::to_owned);
    std::iter::once(&heading).chain(rows).map(|row| line(row) + "\n").collect()
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
