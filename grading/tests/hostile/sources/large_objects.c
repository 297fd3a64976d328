char everything[60 << 20] = {1};
