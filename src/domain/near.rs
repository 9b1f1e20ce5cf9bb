//! Words that were probably meant to be others.
//!
//! Why it exists: a typing error in a name, a verb or a key is answered with the word that was meant. Invariant: a word
//! is proposed only if at most one letter in three differs.

/// Whether a word was probably meant to be another: one letter in three may differ.
fn is_near(distance: usize, a: &str, b: &str) -> bool {
    let shorter = a.chars().count().min(b.chars().count());
    distance <= (shorter / 3).max(1) && distance < shorter
}

/// The word of `words` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = words.into_iter().map(|known| (distance(word, known), known)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, known)| is_near(*distance, word, known)).map(|(_, known)| known)
}

/// How many letters were mistyped between two words; two that changed places count as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let kept = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { kept };
                kept.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn near_names_are_near() {
        for (a, b, letters) in
            [("web", "web", 0), ("wbe", "web", 1), ("we", "web", 1), ("", "abc", 3), ("api", "db", 3)]
        {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }
}
