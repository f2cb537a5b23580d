"""The study site: every exercise as a page with its figures, its bugs as a gallery, the map, practice and the aha log.

`lesson`, `gallery`, `home`, `practice`, `ahas` and `overview` turn what the folders say into Markdown and are pure; `running`
executes a solved lesson once per content, `vendored` fetches what the pages load, `building` puts it all together.
"""

from autograder.site.building import SiteError, build
from autograder.site.overview import NoMarkers, readme_map, refresh_readme, refreshed
from autograder.site.running import RunFailed
from autograder.site.serving import serve

__all__ = ["NoMarkers", "RunFailed", "SiteError", "build", "readme_map", "refresh_readme", "refreshed", "serve"]
