"""The dashboard: pages made here, kept current by one stream of events each.

    routes     what answers at which address         pages      what a page is
    live       one rendering for all who watch       readings   what has to be asked for
    templating HTML from templates                   assets     scripts and styles
    origin     whose requests may act                actions    what a person does from a page

A page is a template and some *fragments*, each a template of its own over what the page looked
at. The whole page is sent once; then, every second, those fragments that have changed.
"""

from control_plane.rest_api.dashboard.routes import install_dashboard

__all__ = ["install_dashboard"]
