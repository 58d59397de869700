"""A node of the broker that the services reach, and that doesn't reach the other nodes: it has no majority any more.

``ATLAS_SEED=… ATLAS_FAULTS=…`` (printed) draws the same faults and stories again.
"""

from __future__ import annotations

import pytest
