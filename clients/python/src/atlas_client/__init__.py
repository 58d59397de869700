"""Who is Pro, for other Atlas services (docs/consuming-entitlements.md).

:class:`EntitlementMirror` holds every user's entitlement in memory and keeps it current. ``EntitlementReader``, in
``atlas_client.reader`` (it needs the extra ``reader``), asks the entitlements service over HTTP.
"""

from atlas_client.mirror import EntitlementMirror
from atlas_client.state import EntitlementState

__all__ = ["EntitlementMirror", "EntitlementState"]
