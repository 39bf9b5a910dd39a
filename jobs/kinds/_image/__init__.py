"""What the image kind is made of: recognising files, unpacking zips, the steps, writing."""
