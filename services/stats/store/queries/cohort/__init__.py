"""What each user of a hub or a group did, for comparing them."""
