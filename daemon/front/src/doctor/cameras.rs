//! Cameras: which are there, who may open them, and whether those of the configuration are among them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::accounts::{self, Rights, Service};
use super::finding::Finding;
use base::capture::Reason;
use base::capture::v4l2;
use base::config::{CameraConfig, CameraDevice};

/// A video device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its node.
    pub node: PathBuf,
    /// What it calls itself.
    pub card: String,
    /// Why this user cannot use it now.
    pub unusable: Option<(Option<Reason>, String)>,
    /// Who may open it.
    pub rights: Rights,
    /// The name of its group.
    pub group: String,
}

/// A camera of the configuration, and why it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// The fault of finding it.
    pub absent: Option<String>,
}

/// Looks at the video devices below `root`. Nothing is captured.
pub fn gather(root: &Path) -> Vec<Camera> {
    let devices = v4l2::list_below(root).unwrap_or_default();
    devices
        .into_iter()
        .filter_map(|device| {
            let about = fs::metadata(&device.node).ok()?;
            let rights = Rights { uid: about.uid(), gid: about.gid(), mode: about.mode() };
            let group = accounts::group_name(root, rights.gid);
            let unusable = device.unusable.map(|why| (device.reason, why));
            Some(Camera { node: device.node, card: device.card, unusable, rights, group })
        })
        .collect()
}

/// Looks whether the cameras of the configuration are there.
pub fn configured(cameras: &[CameraConfig]) -> Vec<Configured> {
    let absent = |camera: &CameraConfig| match &camera.device {
        CameraDevice::Replay(path) if path.exists() => None,
        CameraDevice::Replay(path) => Some(format!("{} does not exist", path.display())),
        device => v4l2::resolve(device).err().map(|fault| fault.detail),
    };
    cameras.iter().map(|camera| Configured { name: camera.name.clone(), absent: absent(camera) }).collect()
}

/// A finding for each device and each configured camera; `None` for a service without a user.
pub fn judge(cameras: &[Camera], configured: &[Configured], service: Option<&Service>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = cameras.iter().filter_map(|camera| device(camera, service)).collect();
    findings.extend(configured.iter().filter_map(|camera| {
        let absent = camera.absent.as_ref()?;
        let found = format!("camera \"{}\" of the configuration is not there: {absent}", camera.name);
        Some(Finding::warning("cameras", found, "plug it in, or correct its device; the daemon keeps trying"))
    }));
    if findings.is_empty() {
        let none = if configured.is_empty() {
            "none, and the configuration names none"
        } else {
            "those of the configuration are there"
        };
        findings.push(Finding::ok("cameras", none));
    }
    findings
}

/// `None` for nodes that are no cameras: metadata, codecs, outputs.
fn device(camera: &Camera, service: Option<&Service>) -> Option<Finding> {
    let named = format!("{} ({})", camera.node.display(), camera.card);
    if matches!(camera.unusable, Some((None, _))) {
        return None;
    }
    if service.is_some_and(|service| !service.may_use(camera.rights)) {
        let Rights { mode, .. } = camera.rights;
        let found =
            format!("{named}: the service's user may not open it (group {}, mode {:o})", camera.group, mode & 0o777);
        let advice = format!(
            "add the group to the service: `systemctl edit forgesyted` with SupplementaryGroups={} below [Service], then \
             restart it",
            camera.group
        );
        return Some(Finding::error("cameras", found, advice));
    }
    match &camera.unusable {
        None => Some(Finding::ok("cameras", named)),
        Some((Some(Reason::Busy), _)) => Some(Finding::ok("cameras", format!("{named}, in use now"))),
        Some((Some(Reason::PermissionDenied), _)) if service.is_some() => {
            Some(Finding::ok("cameras", format!("{named}: for the service, and not for you")))
        }
        Some((Some(reason), why)) => {
            let advice = match reason {
                Reason::PermissionDenied => format!("join the group {}, or run this as root", camera.group),
                _ => "unplug it and plug it in again; the kernel's log (dmesg) may say more".to_owned(),
            };
            Some(Finding::warning("cameras", why.clone(), advice))
        }
        Some((None, _)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;
    use crate::doctor::tests::{Root, statuses};

    fn camera(unusable: Option<(Option<Reason>, &str)>, mode: u32) -> Camera {
        Camera {
            node: "/dev/video0".into(),
            card: "Cam".into(),
            unusable: unusable.map(|(reason, why)| (reason, why.to_owned())),
            rights: Rights { uid: 0, gid: 44, mode },
            group: "video".into(),
        }
    }

    #[test]
    fn verdicts() {
        use Status::{Error, Ok, Warning};
        let member = Service { uid: 998, gid: 998, gids: vec![44] };
        let other = Service { uid: 998, gid: 998, gids: vec![] };
        let denied = Some((Some(Reason::PermissionDenied), "denied"));
        for (camera, service, expected) in [
            (camera(None, 0o660), Some(&member), Ok),
            (camera(None, 0o660), Some(&other), Error),
            (camera(None, 0o660), None, Ok),
            (camera(denied, 0o660), Some(&member), Ok),
            (camera(denied, 0o660), None, Warning),
            (camera(denied, 0o600), Some(&member), Error),
            (camera(Some((Some(Reason::Busy), "busy")), 0o660), Some(&member), Ok),
            (camera(Some((Some(Reason::IoError), "broken")), 0o660), Some(&member), Warning),
        ] {
            let findings = judge(std::slice::from_ref(&camera), &[], service);
            assert_eq!(statuses(&findings), [expected], "{camera:?} {findings:?}");
        }
        let advice = judge(&[camera(None, 0o660)], &[], Some(&other)).remove(0).advice.unwrap();
        assert!(advice.contains("SupplementaryGroups=video"), "{advice}");
    }

    #[test]
    fn what_is_no_camera_or_not_there() {
        let metadata = camera(Some((None, "delivers metadata")), 0o660);
        assert_eq!(judge(&[metadata], &[], None).remove(0).found, "none, and the configuration names none");
        let named = |absent: Option<&str>| Configured { name: "yard".into(), absent: absent.map(str::to_owned) };
        assert_eq!(statuses(&judge(&[], &[named(None)], None)), [Status::Ok]);
        let absent = judge(&[], &[named(Some("no USB camera"))], None);
        assert_eq!(statuses(&absent), [Status::Warning]);
        assert!(absent[0].found.contains("\"yard\""), "{absent:?}");
    }

    #[test]
    fn devices_are_listed_with_their_rights() {
        let root = Root::new(
            "doctor-cameras",
            &[
                ("dev/video0", ""),
                ("sys/class/video4linux/video0/name", "Fake camera\n"),
                ("etc/group", "fakers:x:4242:\n"),
            ],
        );
        let found = gather(&root.0);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].card.as_str(), found[0].rights.mode & 0o400), ("Fake camera", 0o400));
        assert!(found[0].unusable.is_some(), "a plain file is no camera");
    }
}
