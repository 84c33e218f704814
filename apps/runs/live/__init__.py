"""What happens, as it happens: the publishing side of the live streams.

Workers and actions import from here. The reading side (hub, streams) lives in this package's other
modules and is imported by the web process only.
"""

from apps.runs.live.publish import broadcast, listen_for_workers, tell_workers, texts_so_far
from apps.runs.live.texts import TextStreams

__all__ = ["TextStreams", "broadcast", "listen_for_workers", "tell_workers", "texts_so_far"]
