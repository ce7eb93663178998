//! A camera's controls (brightness, exposure, …): what there is, and setting what the configuration names.
//!
//! A control that cannot be set is no reason to do without the camera: it becomes a note.

use std::collections::BTreeMap;
use std::io;

use super::offer::{Control, Kind};
use super::sys::Device;
use crate::config::{ControlValue, nearest};

/// A control to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    name: String,
    id: u32,
    value: i32,
    kind: Kind,
}

/// Most entries of a menu that are read.
const LONGEST_MENU: i64 = 256;
/// Most controls that are read.
const MOST_CONTROLS: usize = 1024;

/// Names of the same controls in drivers before and after Linux 5.16, which renamed those of USB cameras.
const ALIASES: [(&str, &str); 6] = [
    ("exposure_auto", "auto_exposure"),
    ("exposure_absolute", "exposure_time_absolute"),
    ("exposure_auto_priority", "exposure_dynamic_framerate"),
    ("focus_auto", "focus_automatic_continuous"),
    ("hue_auto", "hue_automatic"),
    ("white_balance_temperature_auto", "white_balance_automatic"),
];

impl Control {
    /// Its name as `v4l2-ctl` and the configuration have it.
    pub fn name(&self) -> String {
        normalised(&self.title)
    }

    /// What is to be written for a value of the configuration; why not, where it cannot be.
    fn accept(&self, value: &ControlValue) -> Result<i32, String> {
        let number = match (self.kind, value) {
            (Kind::Boolean, ControlValue::Boolean(on)) => i64::from(*on),
            (Kind::Boolean, ControlValue::Integer(number @ (0 | 1))) => *number,
            (Kind::Boolean, _) => return Err("takes true or false".to_owned()),
            (Kind::Menu | Kind::IntegerMenu, value) => return self.entry(value),
            (Kind::Integer, ControlValue::Integer(number)) if (self.minimum..=self.maximum).contains(number) => *number,
            (Kind::Integer, _) => return Err(format!("takes a number from {} to {}", self.minimum, self.maximum)),
            (Kind::Bitmask, ControlValue::Integer(bits)) => {
                let bits =
                    u32::try_from(*bits).ok().filter(|bits| i64::from(*bits) & !(self.maximum & 0xffff_ffff) == 0);
                return bits.map(u32::cast_signed).ok_or_else(|| format!("takes bits of {:#x}", self.maximum));
            }
            (Kind::Button, ControlValue::Boolean(true) | ControlValue::Integer(1)) => 1,
            (Kind::Button, _) => return Err("is a button, and takes true".to_owned()),
            _ => return Err(format!("is of a kind ({}) that cannot be set here", self.kind.as_str())),
        };
        i32::try_from(number).map_err(|_| format!("cannot take {number}"))
    }

    fn entry(&self, value: &ControlValue) -> Result<i32, String> {
        let found = self.menu.iter().find(|(number, entry)| match value {
            ControlValue::Integer(wanted) => number == wanted,
            ControlValue::Text(wanted) => normalised(entry) == normalised(wanted),
            ControlValue::Boolean(_) => false,
        });
        found.and_then(|(number, _)| i32::try_from(*number).ok()).ok_or_else(|| {
            let entries: Vec<String> = self.menu.iter().map(|(number, entry)| format!("{number} ({entry})")).collect();
            format!("takes one of {}", entries.join(", "))
        })
    }
}

/// Lower case letters and digits, anything between them one `_`.
fn normalised(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

/// What to set, in order, and what cannot be set.
fn plan(known: &[Control], wanted: &BTreeMap<String, ControlValue>) -> (Vec<Setting>, Vec<String>) {
    let (mut settings, mut notes) = (Vec::new(), Vec::new());
    for (key, value) in wanted {
        let name = normalised(key);
        let alias = ALIASES.iter().find_map(|(a, b)| match name.as_str() {
            name if name == *a => Some(*b),
            name if name == *b => Some(*a),
            _ => None,
        });
        let find = |name: &str| known.iter().find(|control| control.name() == name);
        let Some(control) = find(&name).or_else(|| alias.and_then(find)) else {
            notes.push(unknown(key, &name, known));
            continue;
        };
        if !control.usable {
            notes.push(format!("control {key} is not set: it can only be read"));
            continue;
        }
        match control.accept(value) {
            Ok(value) => settings.push(Setting { name: key.clone(), id: control.id, value, kind: control.kind }),
            Err(takes) => notes.push(format!("control {key} is not set: it {takes}, not {value}")),
        }
    }
    // An automatic is switched off before the value that it ruled is set.
    settings.sort_by_key(|setting| !matches!(setting.kind, Kind::Boolean | Kind::Menu));
    (settings, notes)
}

fn unknown(key: &str, name: &str, known: &[Control]) -> String {
    let names: Vec<String> = known.iter().filter(|control| control.usable).map(Control::name).collect();
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("control {key} is not set: the camera has none of that name; did you mean {near}?"),
        None if names.is_empty() => format!("control {key} is not set: the camera has no controls"),
        None => format!("control {key} is not set: the camera has none of that name; it has {}", names.join(", ")),
    }
}

/// Sets what the configuration names; gives a sentence for each that was not set as asked.
pub(super) fn apply(device: &Device, wanted: &BTreeMap<String, ControlValue>) -> Vec<String> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let (settings, mut notes) = plan(&known(device), wanted);
    // Twice: the first round may set what others wait for.
    let failed: Vec<Setting> =
        settings.into_iter().filter(|setting| set(device, setting, &mut notes).is_err()).collect();
    for setting in failed {
        if let Err(error) = set(device, &setting, &mut notes) {
            let name = setting.name;
            notes.push(format!("control {name} is not set: {error}. Another control (an automatic) may rule it"));
        }
    }
    notes
}

fn set(device: &Device, setting: &Setting, notes: &mut Vec<String>) -> io::Result<()> {
    let became = device.set_control(setting.id, setting.value)?;
    if became != setting.value && setting.kind == Kind::Integer {
        notes.push(format!("control {} is {became}: the camera has no {}", setting.name, setting.value));
    }
    Ok(())
}

/// The device's controls with their menus.
pub(super) fn known(device: &Device) -> Vec<Control> {
    let mut found: Vec<Control> = Vec::new();
    let mut last = 0;
    // A driver that fails half way is as good as one whose list ends there.
    while let Ok(Some(mut control)) = device.control_after(last) {
        if control.id <= last || found.len() >= MOST_CONTROLS {
            break;
        }
        last = control.id;
        if matches!(control.kind, Kind::Menu | Kind::IntegerMenu) {
            control.menu = menu(device, &control);
        }
        if control.kind != Kind::Heading {
            found.push(control);
        }
    }
    found
}

/// The entries that there are; drivers leave out some numbers.
fn menu(device: &Device, control: &Control) -> Vec<(i64, String)> {
    let last = control.maximum.min(control.minimum.saturating_add(LONGEST_MENU - 1));
    let entry = |number: i64| {
        let index = u32::try_from(number).ok()?;
        Some((number, device.menu_entry(control, index).ok()?))
    };
    (control.minimum..=last).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(title: &str, kind: Kind, range: (i64, i64), menu: &[(i64, &str)]) -> Control {
        let menu = menu.iter().map(|(number, entry)| (*number, (*entry).to_owned())).collect();
        Control {
            id: title.len() as u32,
            title: title.to_owned(),
            kind,
            minimum: range.0,
            maximum: range.1,
            step: 1,
            default: 0,
            usable: title != "Read Only",
            inactive: false,
            value: None,
            menu,
        }
    }

    fn camera() -> Vec<Control> {
        vec![
            control("Brightness", Kind::Integer, (-64, 64), &[]),
            control("Exposure Time, Absolute", Kind::Integer, (1, 5000), &[]),
            control("Auto Exposure", Kind::Menu, (0, 3), &[(1, "Manual Mode"), (3, "Aperture Priority Mode")]),
            control("Link Frequency", Kind::IntegerMenu, (0, 1), &[(0, "1000"), (1, "2000")]),
            control("White Balance, Automatic", Kind::Boolean, (0, 1), &[]),
            control("Reset", Kind::Button, (0, 0), &[]),
            control("Lamps", Kind::Bitmask, (0, 0x8000_0003), &[]),
            control("Pixel Rate", Kind::Other, (0, 1), &[]),
            control("Read Only", Kind::Integer, (0, 1), &[]),
        ]
    }

    fn planned(name: &str, value: ControlValue) -> (Vec<Setting>, Vec<String>) {
        plan(&camera(), &BTreeMap::from([(name.to_owned(), value)]))
    }

    #[test]
    fn names_as_v4l2_ctl_spells_them() {
        for (title, name) in [
            ("Brightness", "brightness"),
            ("Exposure, Auto", "exposure_auto"),
            ("Exposure (Absolute)", "exposure_absolute"),
            ("White Balance Temperature, Auto", "white_balance_temperature_auto"),
            ("  LED1 -- Mode ", "led1_mode"),
            ("", ""),
        ] {
            assert_eq!(normalised(title), name);
        }
    }

    #[test]
    fn values_that_fit_are_set() {
        let text = |text: &str| ControlValue::Text(text.to_owned());
        let integer = ControlValue::Integer;
        for (name, value, written) in [
            ("brightness", integer(-64), -64),
            ("Brightness", integer(64), 64),
            ("auto_exposure", integer(3), 3),
            ("auto_exposure", text("manual mode"), 1),
            ("exposure_auto", text("Aperture Priority Mode"), 3),
            ("exposure_absolute", integer(5000), 5000),
            ("link_frequency", text("2000"), 1),
            ("white_balance_automatic", ControlValue::Boolean(true), 1),
            ("white_balance_temperature_auto", integer(0), 0),
            ("reset", ControlValue::Boolean(true), 1),
            ("lamps", integer(0x8000_0001), 0x8000_0001_u32.cast_signed()),
        ] {
            let (settings, notes) = planned(name, value.clone());
            assert_eq!(settings.iter().map(|setting| setting.value).collect::<Vec<_>>(), [written], "{name} {value:?}");
            assert_eq!(notes, [""; 0]);
        }
    }

    #[test]
    fn values_that_do_not_fit_are_explained() {
        let text = |text: &str| ControlValue::Text(text.to_owned());
        let integer = ControlValue::Integer;
        for (name, value, why) in [
            ("brightness", integer(65), "it takes a number from -64 to 64, not 65"),
            ("brightness", text("high"), "it takes a number from -64 to 64, not \"high\""),
            ("auto_exposure", integer(2), "it takes one of 1 (Manual Mode), 3 (Aperture Priority Mode), not 2"),
            (
                "auto_exposure",
                ControlValue::Boolean(true),
                "it takes one of 1 (Manual Mode), 3 (Aperture Priority Mode), not true",
            ),
            ("white_balance_automatic", integer(2), "it takes true or false, not 2"),
            ("reset", ControlValue::Boolean(false), "it is a button, and takes true, not false"),
            ("lamps", integer(4), "it takes bits of 0x80000003, not 4"),
            ("pixel_rate", integer(1), "it is of a kind (other) that cannot be set here, not 1"),
            ("read_only", integer(1), "it can only be read"),
            ("brigthness", integer(1), "the camera has none of that name; did you mean brightness?"),
        ] {
            let (settings, notes) = planned(name, value);
            assert_eq!(settings, []);
            assert_eq!(notes, [format!("control {name} is not set: {why}")]);
        }
        let (_, notes) = planned("zoom", integer(1));
        assert!(notes[0].ends_with("it has brightness, exposure_time_absolute, auto_exposure, link_frequency, white_balance_automatic, reset, lamps, pixel_rate"), "{notes:?}");
    }

    #[test]
    fn automatics_are_switched_first() {
        let wanted = BTreeMap::from([
            ("auto_exposure".to_owned(), ControlValue::Integer(1)),
            ("brightness".to_owned(), ControlValue::Integer(0)),
            ("exposure_time_absolute".to_owned(), ControlValue::Integer(10)),
            ("white_balance_automatic".to_owned(), ControlValue::Boolean(false)),
        ]);
        let (settings, _) = plan(&camera(), &wanted);
        let order: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
        assert_eq!(order, ["auto_exposure", "white_balance_automatic", "brightness", "exposure_time_absolute"]);
    }
}
