//! From a reader's output to text: connectionist temporal classification (Graves et al., 2006), decoded greedily. At each
//! step the likeliest class is taken; runs of one class are one, and class 0, the blank, is nothing. Pure.

/// How far the sums of rows of probabilities may be from 1, on average.
const SUM_TOLERANCE: f32 = 1e-2;

/// What a crop says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// The characters.
    pub text: String,
    /// The mean probability of these characters, 0 to 1; 0 where there is none.
    pub score: f32,
}

/// Reads one crop. `steps` are rows of `alphabet.len() + 1` numbers: probabilities, their logarithms, or logits. A row with
/// anything that is not finite counts as blank.
pub(super) fn greedy(steps: &[f32], alphabet: &[String]) -> Reading {
    let rows = || steps.chunks_exact(alphabet.len() + 1);
    let are_probabilities = are_probabilities(rows());
    let mut characters: Vec<(&str, f32)> = Vec::new();
    let mut last = 0;
    for row in rows() {
        let (class, probability) = likeliest(row, are_probabilities);
        if class != 0 && class == last {
            // A run's score is its best step's.
            if let Some((_, score)) = characters.last_mut() {
                *score = score.max(probability);
            }
        } else if let Some(character) = class.checked_sub(1).and_then(|at| alphabet.get(at)) {
            characters.push((character, probability));
        }
        last = class;
    }
    // Spaces at the ends are the crop's margins.
    let is_space = |(character, _): &(&str, f32)| character.trim().is_empty();
    let end = characters.iter().rposition(|character| !is_space(character)).map_or(0, |last| last + 1);
    characters.truncate(end);
    let stay: Vec<(&str, f32)> = characters.into_iter().skip_while(is_space).collect();
    let score = stay.iter().map(|(_, score)| score).sum::<f32>() / stay.len().max(1) as f32;
    Reading { text: stay.into_iter().map(|(character, _)| character).collect::<String>().trim().to_owned(), score }
}

/// Whether a row says anything; logarithms of 0 are infinite.
fn is_sound(row: &[f32]) -> bool {
    row.iter().all(|value| value.is_finite() || *value == f32::NEG_INFINITY)
}

/// Whether these rows are probabilities. That is asked of all of them together: a row of logits may look like some by chance.
fn are_probabilities<'a>(rows: impl Iterator<Item = &'a [f32]>) -> bool {
    let (mut sum, mut count) = (0.0, 0.0_f32);
    for row in rows.filter(|row| is_sound(row)) {
        if !row.iter().all(|value| (0.0..=1.0).contains(value)) {
            return false;
        }
        sum += row.iter().sum::<f32>();
        count += 1.0;
    }
    (sum - count).abs() < SUM_TOLERANCE * count
}

/// The likeliest class of a row and its probability.
fn likeliest(row: &[f32], are_probabilities: bool) -> (usize, f32) {
    if !is_sound(row) {
        return (0, 0.0);
    }
    let best = |best: (usize, f32), (class, &value): (usize, &f32)| if value > best.1 { (class, value) } else { best };
    let (class, highest) = row.iter().enumerate().fold((0, f32::NEG_INFINITY), best);
    if are_probabilities {
        return (class, highest);
    }
    let total: f32 = row.iter().map(|value| (value - highest).exp()).sum();
    (class, if total.is_finite() && total > 0.0 { 1.0 / total } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alphabet() -> Vec<String> {
        ["a", "b", " "].map(str::to_owned).to_vec()
    }

    /// Rows of probabilities in which each named class has 0.7.
    fn rows(classes: &[usize]) -> Vec<f32> {
        classes.iter().flat_map(|&class| (0..4).map(move |at| if at == class { 0.7 } else { 0.1 })).collect()
    }

    #[test]
    fn runs_are_one_and_blanks_part_them() {
        for (classes, text) in [
            (&[][..], ""),
            (&[0, 0, 0], ""),
            (&[1], "a"),
            (&[1, 1, 1], "a"),
            (&[1, 0, 1], "aa"),
            (&[0, 1, 1, 2, 2, 0], "ab"),
            (&[1, 0, 0, 1, 2, 1], "aaba"),
            (&[1, 3, 3, 2], "a b"),
            (&[3, 1, 3, 0, 3], "a"),
        ] {
            assert_eq!(greedy(&rows(classes), &alphabet()).text, text, "{classes:?}");
        }
    }

    #[test]
    fn scores_are_the_same_for_probabilities_logarithms_and_logits() {
        let probabilities = rows(&[1, 1, 0, 2]);
        let logarithms: Vec<f32> = probabilities.iter().map(|value| value.ln()).collect();
        let logits: Vec<f32> = logarithms.iter().map(|value| value + 12.0).collect();
        for steps in [probabilities, logarithms, logits] {
            let reading = greedy(&steps, &alphabet());
            assert_eq!(reading.text, "ab");
            assert!((reading.score - 0.7).abs() < 1e-5, "{reading:?}");
        }
        let sure = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        for steps in [sure, sure.map(f32::ln)] {
            assert_eq!(greedy(&steps, &alphabet()), Reading { text: "ab".to_owned(), score: 1.0 });
        }
    }

    #[test]
    fn a_row_of_logits_that_looks_like_probabilities_is_one_of_logits() {
        let mut steps = vec![9.0, 0.0, 0.0, 0.0];
        steps.extend(rows(&[1]));
        let reading = greedy(&steps, &alphabet());
        // Three others have a weight of e^-0.6 each.
        assert!((reading.score - 1.0 / (1.0 + 3.0 * (-0.6_f32).exp())).abs() < 1e-5, "{reading:?}");
    }

    #[test]
    fn the_score_is_of_characters_alone() {
        let mut steps = rows(&[0, 1, 0]);
        steps.extend([0.1, 0.1, 0.5, 0.3]);
        assert!((greedy(&steps, &alphabet()).score - 0.6).abs() < 1e-5);
        assert_eq!(greedy(&rows(&[0, 0]), &alphabet()), Reading::default());
        // Spaces at the ends are cut, and with them their scores; one between words is a character.
        let mut margins = vec![0.0, 0.0, 0.0, 1.0];
        margins.extend(rows(&[1, 3, 2]));
        margins.extend([0.0, 0.0, 0.0, 1.0]);
        let reading = greedy(&margins, &alphabet());
        assert_eq!(reading.text, "a b");
        assert!((reading.score - 0.7).abs() < 1e-5, "{reading:?}");
        assert_eq!(greedy(&rows(&[3, 0, 3]), &alphabet()), Reading::default(), "nothing but margins");
    }

    #[test]
    fn rows_without_numbers_are_blank() {
        for odd in [f32::NAN, f32::INFINITY] {
            let mut steps = rows(&[1]);
            steps.extend([0.1, odd, 0.1, 0.1]);
            steps.extend(rows(&[1]));
            assert_eq!(greedy(&steps, &alphabet()).text, "aa", "{odd}");
        }
        assert_eq!(greedy(&[f32::NEG_INFINITY; 4], &alphabet()), Reading::default());
    }
}
