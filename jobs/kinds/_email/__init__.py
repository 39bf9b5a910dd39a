"""What the kind "email" is made of: addresses, the recipients file, letters, the talk with the server, the book."""
