//! One log record as one line of JSON. Pure: record and time in, text out.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use log::Record;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};

/// Keys that every line has; a record's own value under such a key gets an underscore in front.
const RESERVED: [&str; 5] = ["ts", "level", "event", "message", "target"];

/// The line for `record` written at `now`, with its end of line. `event` is the record's own, or `log`.
pub fn json_line(record: &Record<'_>, now: SystemTime) -> String {
    let mut line = String::with_capacity(256);
    line.push_str("{\"ts\":\"");
    push_time(&mut line, now);
    line.push('"');
    push_key(&mut line, "level");
    push_text(&mut line, &record.level().as_str().to_lowercase());
    push_key(&mut line, "event");
    match record.key_values().get(Key::from("event")) {
        Some(event) => push_text(&mut line, &event.to_string()),
        None => push_text(&mut line, "log"),
    }
    push_key(&mut line, "message");
    push_text(&mut line, &record.args().to_string());
    push_key(&mut line, "target");
    push_text(&mut line, record.target());
    // Neither of the two visitors below gives an error.
    let _ = record.key_values().visit(&mut Fields(&mut line));
    line.push_str("}\n");
    line
}

/// Writes a record's fields as members of the object.
struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        match key.as_str() {
            "event" => return Ok(()),
            key if RESERVED.contains(&key) => push_key(self.0, &format!("_{key}")),
            key => push_key(self.0, key),
        }
        value.visit(Json(self.0))
    }
}

/// Writes a value: numbers, booleans and nothing as JSON's own, all else as text.
struct Json<'a>(&'a mut String);

impl<'v> VisitValue<'v> for Json<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        push_text(self.0, &value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0.push_str("null");
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        push_display(self.0, value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        push_display(self.0, value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            push_display(self.0, value);
        } else {
            self.0.push_str("null");
        }
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        push_display(self.0, value);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        push_text(self.0, value);
        Ok(())
    }
}

fn push_key(line: &mut String, key: &str) {
    line.push(',');
    push_text(line, key);
    line.push(':');
}

fn push_text(line: &mut String, text: &str) {
    // `Value`'s `Display` is the JSON text and has no way to fail.
    push_display(line, serde_json::Value::from(text));
}

fn push_display(line: &mut String, value: impl std::fmt::Display) {
    let _ = write!(line, "{value}");
}

/// RFC 3339 in UTC with milliseconds. A clock before 1970 gives 1970.
fn push_time(line: &mut String, now: SystemTime) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    let _ = write!(line, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01. Counted in eras of 400 years (146097 days)
/// that start on 1 March of year 0, so that the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(record: &Record<'_>) -> serde_json::Value {
        let line = json_line(record, UNIX_EPOCH + Duration::from_millis(1_709_210_096_007));
        assert!(line.ends_with("}\n"));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_line_has_its_keys_in_order_and_typed_fields() {
        let fields: [(&str, Value); 9] = [
            ("session_id", Value::from("5f0c")),
            ("event", Value::from("stream_disconnect")),
            ("frame_index", Value::from(42_u64)),
            ("offset", Value::from(-3_i64)),
            ("drop_rate", Value::from(0.25)),
            ("bad", Value::from(f64::NAN)),
            ("clean", Value::from(true)),
            ("none", Value::null()),
            ("level", Value::from("mine")),
        ];
        let args = format_args!("a \"quoted\"\nmessage");
        let record = Record::builder()
            .level(log::Level::Info)
            .target("forgesyted::session")
            .args(args)
            .key_values(&fields)
            .build();
        assert_eq!(
            json_line(&record, UNIX_EPOCH),
            "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"stream_disconnect\",\
             \"message\":\"a \\\"quoted\\\"\\nmessage\",\"target\":\"forgesyted::session\",\
             \"session_id\":\"5f0c\",\"frame_index\":42,\"offset\":-3,\"drop_rate\":0.25,\"bad\":null,\
             \"clean\":true,\"none\":null,\"_level\":\"mine\"}\n"
        );
        assert_eq!(parsed(&record)["ts"], "2024-02-29T12:34:56.007Z");
    }

    #[test]
    fn a_record_without_event_gets_one() {
        let record = Record::builder().target("hyper::proto").build();
        assert_eq!(parsed(&record)["event"], "log");
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
            (1_767_225_600, "2026-01-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            let mut text = String::new();
            push_time(&mut text, UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(text, expected);
        }
        let mut text = String::new();
        push_time(&mut text, UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(text, "1970-01-01T00:00:00.000Z", "a clock before all time");
    }
}
