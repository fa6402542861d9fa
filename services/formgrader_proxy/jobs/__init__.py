"""Long changes as jobs: lists of nbgrader's own requests that do not depend on a browser."""
