//! Durations as users write them: `90s`, `15m`, `1h30m`, `500ms`.

use std::time::Duration;

/// Reads a duration. `None` if it is empty, has no unit or overflows.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let part = match &rest[..unit] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

/// The same the other way round, in whole seconds.
#[must_use]
pub fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let text = parts
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect::<Vec<_>>()
        .concat();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_schema_admits() {
        for (text, millis) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for same in ["90m", "24h", "1h30m5s", "0s"] {
            assert_eq!(parse(&text(parse(same).unwrap())), parse(same), "{same}");
        }
        assert_eq!(text(Duration::from_hours(1)), "1h");
        for text in ["", "5", "s", "1d", "-1s", "1.5s", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
