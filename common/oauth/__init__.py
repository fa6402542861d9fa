"""Sign-in through the Hub (OAuth). Start reading at :mod:`common.oauth.sign_in`."""
