//! The roles of the controllers that look after volumes; otherwise as `controller_roles`.

use super::controller_roles::EVENTS;
use super::{RoleSpec, role};

/// The part of `ControllerRoles` that is about volumes.
pub(super) static ROLES: &[RoleSpec] = &[
    role(
        "system:controller:attachdetach-controller",
        &[
            "core persistentvolumeclaims,persistentvolumes list,watch",
            "core nodes read",
            "core nodes/status patch,update",
            "core pods list,watch",
            EVENTS,
            "storage.k8s.io volumeattachments create,delete,get,list,watch",
            "storage.k8s.io csidrivers read",
            "storage.k8s.io csinodes read",
        ],
    ),
    role(
        "system:controller:ephemeral-volume-controller",
        &["core pods read", "core pods/finalizers update", "core persistentvolumeclaims create,get,list,watch", EVENTS],
    ),
    role(
        "system:controller:expand-controller",
        &[
            "core persistentvolumes get,list,patch,update,watch",
            "core persistentvolumeclaims/status patch,update",
            "core persistentvolumeclaims read",
            EVENTS,
        ],
    ),
    role(
        "system:controller:persistent-volume-binder",
        &[
            "core persistentvolumes create,delete,get,list,update,watch",
            "core persistentvolumes/status update",
            "core persistentvolumeclaims get,list,update,watch",
            "core persistentvolumeclaims/status update",
            "core pods create,delete,get,list,watch",
            "storage.k8s.io storageclasses read",
            "core nodes list,watch",
            EVENTS,
            "core events watch",
        ],
    ),
    role("system:controller:pv-protection-controller", &["core persistentvolumes get,list,update,watch", EVENTS]),
    role(
        "system:controller:pvc-protection-controller",
        &[
            "core persistentvolumeclaims get,list,update,watch",
            "core persistentvolumeclaims/status update",
            "core pods read",
            EVENTS,
        ],
    ),
    role(
        "system:controller:selinux-warning-controller",
        &[
            EVENTS,
            "core persistentvolumes read",
            "core persistentvolumeclaims read",
            "core pods read",
            "storage.k8s.io csidrivers read",
        ],
    ),
    role(
        "system:controller:volumeattributesclass-protection-controller",
        &[
            "core persistentvolumeclaims read",
            "core persistentvolumes read",
            "storage.k8s.io volumeattributesclasses get,list,update,watch",
            EVENTS,
        ],
    ),
];
