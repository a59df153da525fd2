//! The known name that was probably meant.

/// Most steps of comparing for all the findings of a document; those beyond have no suggestion.
const MOST_STEPS: usize = 5_000_000;

/// The nearest of `names`, if it is near enough to be meant: at most a third of it differs.
pub(super) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>, steps: &mut usize) -> Option<&'a str> {
    // Longer input is no typing mistake, and comparing it would cost its length squared.
    if given.len() > 128 {
        return None;
    }
    let most = |name: &str| (name.len() / 3).max(1);
    names
        .into_iter()
        .filter(|name| name.len() <= 128 && name.len().abs_diff(given.len()) <= most(name))
        .take_while(|name| {
            *steps += 1 + given.len() * name.len();
            *steps <= MOST_STEPS
        })
        .map(|name| (distance(given.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, name)| *distance <= most(name))
        .min()
        .map(|(_, name)| name)
}

/// How many bytes must be put in, taken out or changed (Levenshtein).
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
